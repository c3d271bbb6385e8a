"""A Synapse of nothing but rooms, in memory: its state events, its directory, one process of it."""

import asyncio
import json
import sqlite3
from collections import defaultdict
from types import SimpleNamespace
from typing import Any

from domain_rules.synapse_modules import store as kept
from domain_rules.synapse_modules.cache import Cache
from domain_rules.synapse_modules.configuration import ClassSource, Config, Mode, SoftFail
from domain_rules.synapse_modules.part import Context
from domain_rules.synapse_modules.refusals import Refusals, SynapseTypes
from domain_rules.synapse_modules.room_access import RoomAccess
from domain_rules.synapse_modules.snapshot import Snapshot

from .made_rooms import ANA, GIL, OLGA
from .module_synapse import at_once

ROOM = "!room"
ALLOWED = object()
RULE = "im.vector.room.access_rules"
FROM_ELSEWHERE = "@mallory:other.example"
# Of Synapse's tables, what the module reads of rooms.
SYNAPSE = """
CREATE TABLE rooms (room_id TEXT, room_version TEXT);
CREATE TABLE partial_state_rooms (room_id TEXT);
CREATE TABLE current_state_events (
    event_id TEXT, room_id TEXT, type TEXT, state_key TEXT, membership TEXT);
CREATE TABLE user_threepids (user_id TEXT, medium TEXT, address TEXT);
CREATE TABLE event_json (event_id TEXT, json TEXT);
CREATE TABLE state_events (event_id TEXT, room_id TEXT, type TEXT, state_key TEXT);
CREATE TABLE current_state_delta_stream (
    stream_id INTEGER PRIMARY KEY, event_id TEXT, room_id TEXT, type TEXT, state_key TEXT);
CREATE TABLE room_memberships (event_id TEXT, room_id TEXT, membership TEXT);
CREATE TABLE redactions (event_id TEXT, redacts TEXT, have_censored BOOL, received_ts BIGINT);
"""


class Refused(Exception):
    """What Synapse's own error is to the module."""

    def __init__(self, status: int, text: str, code: str, fields: dict[str, Any]) -> None:
        super().__init__(text)
        self.status, self.code, self.reason = status, code, fields["org.guichet.reason"]


def event(kind: str, content: dict[str, Any], *, key: str | None = "", **facts: Any) -> Any:
    given = {
        "type": kind,
        "content": content,
        **({} if key is None else {"state_key": key}),  # as Synapse: no key, no attribute
        "sender": ANA,
        "room_id": ROOM,
        "event_id": "$event",
        "origin_server_ts": 1_000,
        "room_version": SimpleNamespace(identifier="12"),
        "unsigned": {},
        "is_state": lambda: key is not None,
    }
    return SimpleNamespace(**(given | facts))


def run(awaited: Any) -> Any:
    return asyncio.run(awaited)


def why(answer: Any) -> str:
    """The reason of a refusal, which comes with its sentence in both languages."""
    code, fields = answer
    assert code == "M_FORBIDDEN"
    assert set(fields["org.guichet.message"]) == {"fr", "en"}
    return str(fields["org.guichet.reason"])


def member(user_id: str, membership: str, **facts: Any) -> Any:
    return event("m.room.member", {"membership": membership}, key=user_id, **facts)


class House:
    """`broken`: its database is away. `partial`: rooms it is still joining.

    What runs in the background waits in `waiting`, what is done again and again in `loops`.
    """

    server_name = "agents.example"

    def __init__(self) -> None:
        self.rooms: dict[str, dict[tuple[str, str], Any]] = defaultdict(dict)
        self.stood: list[Any] = []  # every state event there was, in that order
        self.listed: set[str] = set()
        self.directory_asked: list[str] = []
        self.waiting: list[tuple[Any, ...]] = []
        self.sent: list[dict[str, Any]] = []
        self.callbacks: dict[str, Any] = {}
        self.loops: dict[str, Any] = {}
        self.partial: set[str] = set()
        self.past: list[tuple[str, str]] = []
        self.broken = False
        self.database = sqlite3.connect(":memory:")
        self.database.executescript(SYNAPSE)
        for table in kept.TABLES:
            self.database.execute(table)
        self.now_ms = 2_000
        self.public_room_list_manager = SimpleNamespace(room_is_in_public_room_list=self.is_listed)

    def put(self, *events: Any) -> None:
        for each in events:
            each.event_id = f"${len(self.stood)}"
            self.rooms[each.room_id][each.type, each.state_key] = each
            self.stood.append(each)

    def make(self, rule: str | None, *members: Any, room_id: str = ROOM, **create: Any) -> None:
        """Ana's room."""
        self.put(
            event("m.room.create", create, room_id=room_id),
            event("m.room.power_levels", {"state_default": 100, "invite": 50}, room_id=room_id),
            member(ANA, "join", room_id=room_id),
            *members,
        )
        if rule:
            self.put(event("im.vector.room.access_rules", {"rule": rule}, room_id=room_id))

    def register_spam_checker_callbacks(self, **callbacks: Any) -> None:
        self.callbacks |= callbacks

    register_third_party_rules_callbacks = register_spam_checker_callbacks

    async def run_db_interaction(self, _desc: str, function: Any, *facts: Any) -> Any:
        if self.broken:
            raise OSError("the database restarts")
        with self._database() as database:
            return function(database.cursor(), *facts)

    def _database(self) -> sqlite3.Connection:
        """Synapse's tables as they are now; ours keep what is in them."""
        database = self.database
        for table in ("rooms", "partial_state_rooms", "current_state_events", "event_json"):
            database.execute(f"DELETE FROM {table}")
        for table in ("state_events", "current_state_delta_stream"):
            database.execute(f"DELETE FROM {table}")
        database.executemany(
            "INSERT INTO rooms VALUES (?, '12')",
            [(room,) for room, state in self.rooms.items() if state],
        )
        database.executemany(
            "INSERT INTO partial_state_rooms VALUES (?)", [(room,) for room in self.partial]
        )
        for each in self.stood:
            told = {
                "sender": each.sender,
                "content": getattr(each, "sent", each.content),
                "origin_server_ts": each.origin_server_ts,
            }
            row = (each.event_id, each.room_id, each.type, each.state_key)
            database.execute("INSERT INTO state_events VALUES (?, ?, ?, ?)", row)
            database.execute(
                "INSERT INTO current_state_delta_stream VALUES (NULL, ?, ?, ?, ?)", row
            )
            json_row = (each.event_id, json.dumps(told))
            database.execute("INSERT INTO event_json VALUES (?, ?)", json_row)
            if self.rooms[each.room_id].get((each.type, each.state_key)) is each:
                database.execute(
                    "INSERT INTO current_state_events VALUES (?, ?, ?, ?, ?)",
                    (*row, each.content.get("membership")),
                )
        database.executemany("INSERT INTO event_json VALUES (?, ?)", self.past)
        return database

    def has_address(self, user_id: str, address: str) -> None:
        row = (user_id, "email", address)
        self.database.execute("INSERT INTO user_threepids VALUES (?, ?, ?)", row)

    def was_invited_by_mail(self, token: str) -> None:
        """Somebody who came by this third-party invite, whatever they are now."""
        content = {"membership": "invite", "third_party_invite": {"signed": {"token": token}}}
        told = {"sender": ANA, "content": content, "origin_server_ts": 1}
        self.database.execute("INSERT INTO room_memberships VALUES (?, ?, 'invite')", (token, ROOM))
        self.past.append((token, json.dumps(told)))

    def is_redacted_from_afar(self, kind: str, *, room_id: str = ROOM) -> None:
        """By somebody whose homeserver let them: what is left is what events say from now on."""
        redacted = self.rooms[room_id][kind, ""]
        redacted.sent, redacted.content = redacted.content, {}
        self.database.execute(
            "INSERT INTO redactions VALUES ('$r', ?, 0, ?)", (redacted.event_id, self.now_ms)
        )

    def forgets_what_was_redacted(self) -> None:
        """As Synapse does after a week."""
        self.database.execute("UPDATE redactions SET have_censored = 1")
        for each in self.stood:
            vars(each).pop("sent", None)

    def should_run_background_tasks(self) -> bool:
        return True

    def looping_background_call(self, function: Any, _ms: int, *, desc: str, **_how: Any) -> None:
        self.loops[desc] = function

    async def is_listed(self, room_id: str) -> bool:
        self.directory_asked.append(room_id)
        return room_id in self.listed

    async def is_user_admin(self, user_id: str) -> bool:
        return False

    async def sleep(self, seconds: float) -> None:
        self.now_ms += int(seconds * 1000)

    def get_current_time_msec(self) -> int:
        return self.now_ms

    def is_mine(self, user_id: str) -> bool:
        return user_id.endswith(":agents.example")

    def run_as_background_process(self, _name: str, work: Any, *facts: Any) -> None:
        self.waiting.append((work, *facts))

    async def create_and_send_event_into_room(self, sent: dict[str, Any]) -> None:
        self.sent.append(sent)


def pruned(redacted: Any) -> Any:
    """What a redaction leaves, as far as these tests need it."""
    kept_keys = {"m.room.power_levels": ("users", "users_default", "state_default", "events")}
    keys = kept_keys.get(redacted.type, ())
    content = {key: redacted.content[key] for key in keys if key in redacted.content}
    return SimpleNamespace(content=content)


def part_of(
    house: House,
    *,
    mode: Mode = Mode.ENFORCE,
    soft_fail: SoftFail = SoftFail.LOG,
    client: Any = None,
) -> RoomAccess:
    config = Config(
        guichet_url="https://guichet.example",
        credential="secret",
        exempt=frozenset({OLGA}),
        mode=mode,
        soft_fail=soft_fail,
    )
    cache = Cache(config, house)
    sources = {"agents.example": ClassSource.AGENT, "guests.example": ClassSource.GUEST}
    cache.snapshot = Snapshot(epoch="e", own_name=house.server_name, sources=sources)
    terms = SynapseTypes(
        not_spam=ALLOWED,
        forbidden="M_FORBIDDEN",
        error_class=Refused,
        within=at_once,
        prune=pruned,
    )
    refusals = Refusals(terms, house.get_current_time_msec, mode=mode)
    return RoomAccess(Context(config, house, cache, refusals, client))


def requester(user_id: str = GIL) -> Any:
    return SimpleNamespace(user=SimpleNamespace(to_string=lambda: user_id))
