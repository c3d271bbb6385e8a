"""Power in a room: what it starts with, and that guests hold none."""

from collections.abc import Iterable, Mapping
from typing import Any

from .reasons import RoomReason
from .room import (
    CREATOR_LEVEL,
    ENCRYPTION,
    GUEST_ACCESS,
    HISTORY_VISIBILITY,
    JOIN_RULES,
    POWER_LEVELS,
    RULE_EVENT,
    TOMBSTONE,
    AccessRule,
    Content,
    People,
    RoomState,
    has_creators_above,
    level,
    mapping,
)

MODERATOR = 50
OWNER = 100
# Where one is, and that one is in a call: everybody says it of themselves.
OF_EVERYBODY = (
    "m.beacon_info",
    "org.matrix.msc3672.beacon_info",
    "m.call.member",
    "org.matrix.msc3401.call.member",
)

# What rules stand on, and what takes others out of a room: never within a guest's reach.
OUT_OF_REACH = {"state_default": 50, "ban": 50, "kick": 50, "redact": 50, "invite": 0}
"""With the level that Matrix takes where the event names none."""
EVENTS_OUT_OF_REACH = (
    *(RULE_EVENT, POWER_LEVELS, ENCRYPTION, JOIN_RULES, HISTORY_VISIBILITY, GUEST_ACCESS),
    *(TOMBSTONE, "m.room.server_acl", "m.room.policy"),
)


def starting_levels(
    version: str, creator: str, *, trusted: Iterable[str] = (), invite: int = MODERATOR
) -> dict[str, Any]:
    """Of a new room. From version 12 creators are in no list; the tombstone stays within reach of owners."""
    named = [] if has_creators_above(version) else [creator, *trusted]
    return {
        "users": dict.fromkeys(named, CREATOR_LEVEL),
        "users_default": 0,
        "events_default": 0,
        "state_default": OWNER,
        "invite": invite,
        "ban": MODERATOR,
        "kick": MODERATOR,
        "redact": MODERATOR,
        "events": {
            "m.room.name": MODERATOR,
            "m.room.canonical_alias": MODERATOR,
            "m.room.avatar": MODERATOR,
            "m.room.power_levels": OWNER,
            "m.room.history_visibility": OWNER,
            "m.room.tombstone": OWNER,
            "m.room.server_acl": OWNER,
            "m.room.encryption": OWNER,
            RULE_EVENT: OWNER,
            **dict.fromkeys(OF_EVERYBODY, 0),
        },
    }


def filled(wanted: Content, otherwise: Content, *, without: Iterable[str] = ()) -> dict[str, Any]:
    """What was asked for, with what is missing, also inside; `without` are in no list of users."""
    whole = _merged(wanted, otherwise)
    barred = set(without)
    users = mapping(whole.get("users"))
    whole["users"] = {user: power for user, power in users.items() if user not in barred}
    return whole


def _merged(wanted: Content, otherwise: Content) -> dict[str, Any]:
    merged: dict[str, Any] = {**otherwise, **wanted}
    for key, fallback in otherwise.items():
        given = wanted.get(key)
        if isinstance(fallback, Mapping) and isinstance(given, Mapping):
            merged[key] = _merged(given, fallback)
    return merged


def undercuts(wanted: Content, otherwise: Content) -> bool:
    """Whether it asks for less than a room needs in order to keep its rule."""
    floors = {key: otherwise[key] for key in ("invite", "state_default")}
    return any(level(wanted.get(key), floor) < floor for key, floor in floors.items())


def judge_levels(
    rule: AccessRule,
    content: Content,
    people: People,
    *,
    guests_inside: bool = False,
    before: Content | None = None,
) -> RoomReason | None:
    """What guests get by it: they stay at the default, under every rule, and the default reaches nothing of weight.

    Lower is muting, and allowed. `guests_inside`: of a closed room, from when it was open or they were no guests.
    `before`: the levels these take the place of. What guests have by those may stay or become less, so that
    rooms from before can be mended step by step, as clients do.
    """
    had: Content = before or {}
    users_default, had_default = (level(each.get("users_default"), 0) for each in (content, had))
    stays = before is not None and users_default == had_default
    if rule is AccessRule.UNRESTRICTED and users_default != 0 and not stays:
        return RoomReason.USERS_DEFAULT
    held = _above_default(had)
    for user_id, power in _above_default(content).items():
        if power > held.get(user_id, users_default) and people.counts_as_guest(user_id):
            return RoomReason.GUEST_POWER
    if rule is AccessRule.RESTRICTED and not guests_inside:
        return None
    if users_default > max(0, had_default):
        return RoomReason.USERS_DEFAULT
    reached = set() if before is None else _reached(before)
    return RoomReason.LEVELS_TOO_LOW if _reached(content) - reached else None


def _above_default(content: Content) -> dict[str, int]:
    """Who has more than everybody. What is no number counts as the most."""
    users_default = level(content.get("users_default"), 0)
    listed = mapping(content.get("users")).items()
    powers = {user_id: level(power, CREATOR_LEVEL) for user_id, power in listed}
    return {user_id: power for user_id, power in powers.items() if power > users_default}


def _reached(content: Content) -> set[str]:
    """Of what is out of a guest's reach, what everybody may do by these levels."""
    needed = {act: level(content.get(act), usual) for act, usual in OUT_OF_REACH.items()}
    listed = mapping(content.get("events"))
    needed |= {kind: level(listed[kind], 0) for kind in EVENTS_OUT_OF_REACH if kind in listed}
    users_default = level(content.get("users_default"), 0)
    return {act for act, power in needed.items() if power <= users_default}


def judge_creators(create: Content, sender: str, people: People) -> RoomReason | None:
    """A creator stands above every number from version 12 on, so a guest is never one."""
    named = create.get("additional_creators")
    listed = named if isinstance(named, (list, tuple)) else ()
    if people.guests([user for user in listed if isinstance(user, str)]):
        return RoomReason.GUEST_AS_CREATOR
    return RoomReason.GUEST_CREATES if people.counts_as_guest(sender) else None


def holds_guest_power(state: RoomState, people: People) -> bool:
    """Whether a guest has more than the default, by a list or as creator."""
    if people.guests(state.creators_above):
        return True
    return judge_levels(state.rule, state.power_levels or {}, people) is RoomReason.GUEST_POWER
