"""Gives rooms and their people as the rules need them, from Synapse's database and memory."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from domain_rules.enums import StrEnum
from domain_rules.rooms.past import PERMANENT_SETTINGS, needs_history, restore_settings
from domain_rules.rooms.reasons import ABOUT_GUESTS, RoomReason
from domain_rules.rooms.room import (
    CREATE,
    ENCRYPTION,
    GUEST_ACCESS,
    HISTORY_VISIBILITY,
    JOIN_RULES,
    MEMBER,
    POWER_LEVELS,
    RULE_EVENT,
    THIRD_PARTY_INVITE,
    AccessRule,
    People,
    RoomState,
    read_room,
)

from . import room_rows
from .cache import MS
from .part import Context, Part
from .sentences import RefusalReason
from .snapshot import read_address

NEWEST_VERSION = "12"
SETTINGS = [
    *((kind, "") for kind in (CREATE, RULE_EVENT, POWER_LEVELS, JOIN_RULES)),
    *((kind, "") for kind in (ENCRYPTION, HISTORY_VISIBILITY, GUEST_ACCESS)),
]
SEATS = [(MEMBER, None), (THIRD_PARTY_INVITE, None)]
SAVE_REDACTED_MS = 600 * MS
OVERLAP_MS = 3600 * MS

StateEvents = Mapping[tuple[str, str], Any]
Judge = Callable[[People], RoomReason | None]


class RoomViews(Part):
    """Fetches only what a verdict needs: all memberships only for conversations of two."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._kept_ms = 0
        # In one process, redacted settings are saved while Synapse still has them.
        if self.api.should_run_background_tasks():
            self.api.looping_background_call(
                self.keep_redacted, SAVE_REDACTED_MS, desc="guichet_redacted"
            )

    async def keep_redacted(self) -> None:
        """Save what was redacted since the last time, and a while before."""
        since, now = self._kept_ms - OVERLAP_MS, self._now_ms()
        await self._query(
            "guichet_redacted", room_rows.save_redacted_settings, PERMANENT_SETTINGS, since
        )
        self._kept_ms = now

    async def restored(self, room_id: str, version: str, events: StateEvents) -> RoomState:
        """The state by these events; settings changed elsewhere are restored from the past."""
        if needs_history(events, self.api.is_mine):
            past = await self._query(
                "guichet_past", room_rows.read_past, room_id, PERMANENT_SETTINGS
            )
            events = {**events, **restore_settings(past, self.api.is_mine)}
        return read_room(version, events)

    async def room(self, room_id: str, about: str | None = None) -> RoomState | None:
        """None for a room unknown here. `about`: the user whose membership matters."""
        seen = await self.look(room_id, about)
        return seen[0] if seen else None

    async def look(self, room_id: str, about: str | None = None) -> tuple[RoomState, bool] | None:
        """As `room`, and whether Synapse is still fetching the members. Waits for nothing."""
        wanted = [*SETTINGS, (MEMBER, about)] if about else SETTINGS
        rows = await self._rows(room_id, wanted)
        if rows is None or (CREATE, "") not in rows.events:
            return None
        state = await self.restored(room_id, rows.version, rows.events)
        if state.rule is AccessRule.DIRECT:
            rows = await self._rows(room_id, [*SETTINGS, *SEATS]) or rows
            state = await self.restored(room_id, rows.version, rows.events)
        return state, rows.is_partial

    async def is_complete(self, room_id: str) -> bool:
        """Whether Synapse knows all members of the room."""
        return not await self._query("guichet_is_partial", room_rows.is_partial, room_id)

    async def _rows(
        self, room_id: str, wanted: Iterable[tuple[str, str | None]]
    ) -> room_rows.Rows | None:
        found: room_rows.Rows | None = await self._query(
            "guichet_room", room_rows.read_state, room_id, wanted
        )
        return found

    async def is_here(self, room_id: str, address: str) -> bool:
        """Whether a local user with this address, however it is spelled, is in the room."""
        read = read_address(address)
        if read is None:
            return False
        is_here = room_rows.has_member_with_address
        return bool(await self._query("guichet_is_here", is_here, room_id, read.canonical))

    async def with_listing(self, room_id: str, state: RoomState) -> RoomState:
        """The state with `listed`: whether the room is in the room directory."""
        directory = self.api.public_room_list_manager
        return replace(state, listed=await directory.room_is_in_public_room_list(room_id))

    async def with_used_tokens(self, room_id: str, state: RoomState) -> RoomState:
        """The state with `used_tokens`, from the history of memberships."""
        used = await self._query("guichet_used_tokens", room_rows.read_used_tokens, room_id)
        return replace(state, used_tokens=used)

    async def may_refuse(self, judge: Judge) -> bool:
        """The verdict from memory, as if nobody were exempt."""
        await self.cache.ready()
        return judge(People(self.cache.is_guest)) is not None

    async def verdict(self, judge: Judge, concerned: Iterable[str]) -> RoomReason | None:
        """The reason for a refusal, from memory.

        Who of `concerned` is exempt is looked up only before a refusal.
        """
        await self.cache.ready()
        reason = judge(People(self.cache.is_guest))
        if reason is None:
            return None
        free = frozenset([each for each in sorted(concerned) if await self._is_exempt(each)])
        if not free or judge(People(self.cache.is_guest, free)) is not None:
            return reason
        self.refusals.record_exemption(reason, min(free))
        return None

    async def people(self, concerned: Iterable[str]) -> People:
        """For completing a request: there exemptions must be known before."""
        await self.cache.ready()
        guests = [each for each in sorted(concerned) if self.cache.is_guest(each)]
        return People(
            self.cache.is_guest, frozenset([each for each in guests if await self._is_exempt(each)])
        )

    def said(self, reason: RoomReason, concerned: Iterable[str]) -> StrEnum:
        """The reason for the client: that the class is not known yet, if that is the cause."""
        if reason is RoomReason.ADDRESS_BELONGS_NOWHERE and not self.cache.is_known:
            return RefusalReason.CLASS_NOT_YET_KNOWN
        is_unknown = reason in ABOUT_GUESTS and any(
            each and self.cache.is_guest(each) and not self.cache.is_class_known(each)
            for each in concerned
        )
        return RefusalReason.CLASS_NOT_YET_KNOWN if is_unknown else reason

    async def _is_exempt(self, user_id: str) -> bool:
        return bool(user_id) and await self.cache.is_exempt_now(user_id)
