"""A homeserver with the part that reports in it, and Guichet at the other end: all by value, over SQLite."""

import asyncio
import json
import sqlite3
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from domain_rules.rooms.room import MEMBER, THIRD_PARTY_INVITE
from domain_rules.rules import RuleSet
from domain_rules.synapse_modules import reporter as binder
from domain_rules.synapse_modules.clients import GuichetAnswer, GuichetUnreachable
from domain_rules.synapse_modules.configuration import Config
from domain_rules.synapse_modules.part import Context

from .module_synapse import at_once

OWN = "guests.example"
GIL, ZOE = f"@gil:{OWN}", "@zoe:education.example"
ROOM = "!room:education.example"
ADDRESS = "gil@asso.example"

# What is read of Synapse's own tables, no more.
SYNAPSE = """
CREATE TABLE users (name TEXT, deactivated SMALLINT);
CREATE TABLE user_threepids (user_id TEXT, medium TEXT, address TEXT);
CREATE TABLE events (
    stream_ordering INTEGER, event_id TEXT, type TEXT, room_id TEXT, rejection_reason TEXT,
    sender TEXT);
CREATE TABLE current_state_events (event_id TEXT, room_id TEXT, type TEXT, state_key TEXT);
CREATE TABLE state_events (event_id TEXT, state_key TEXT);
CREATE TABLE event_json (event_id TEXT, json TEXT, internal_metadata TEXT);
CREATE TABLE room_memberships (
    event_id TEXT, user_id TEXT, room_id TEXT, membership TEXT, event_stream_ordering INTEGER);
"""


class Synapse:
    """The module API by value, over SQLite: a clock that stands, and loops that somebody else turns."""

    server_name = OWN

    def __init__(self, path):
        self.database = sqlite3.connect(path)
        self.now = 1_800_000_000_000
        self.associated = []
        self.loops = []
        self.number = 0

    def get_current_time_msec(self):
        return self.now

    def should_run_background_tasks(self):
        return True

    def register_third_party_rules_callbacks(self, **callbacks):
        self.callbacks = callbacks

    def looping_background_call(self, function, _ms, **_):
        self.loops.append(function)

    async def run_db_interaction(self, _desc, function, *given):
        with self.database:
            return function(self.database.cursor(), *given)

    async def store_remote_3pid_association(self, *facts):
        self.associated.append(facts)

    def add_event(self, event, *, soft_failed=False, rejected=None):
        self.number += 1
        event_id = f"$event{self.number}"
        facts = {"origin_server_ts": self.now, **event}
        rows = (
            (
                "events",
                (self.number, event_id, event["type"], event["room_id"], rejected, event["sender"]),
            ),
            ("state_events", (event_id, event.get("state_key"))),
            (
                "current_state_events",
                (event_id, event["room_id"], event["type"], event.get("state_key")),
            ),
            ("event_json", (event_id, json.dumps(facts), json.dumps({"soft_failed": soft_failed}))),
        )
        with self.database as database:
            for table, row in rows:
                marks = ", ".join("?" * len(row))
                database.execute(f"INSERT INTO {table} VALUES ({marks})", row)
            if event["type"] == MEMBER:
                membership = event["content"]["membership"]
                database.execute(
                    "INSERT INTO room_memberships VALUES (?, ?, ?, ?, ?)",
                    (event_id, event["state_key"], event["room_id"], membership, self.number),
                )


@dataclass
class Guichet:
    """The other end by value."""

    is_away: bool = False
    epoch: str = "one"
    status: int = 200
    results: dict[str, dict] = field(default_factory=dict)
    unreadable: str = ""
    got: list[dict] = field(default_factory=list)

    async def post(self, path, body):
        assert path == "/reports"
        if self.is_away:
            raise GuichetUnreachable("nobody there")
        if self.unreadable in [one["kind"] for one in body["reports"]]:
            return GuichetAnswer(400, {"errcode": "M_INVALID_PARAM"}, None)
        if self.status != 200:
            return GuichetAnswer(self.status, {"errcode": "M_FORBIDDEN"}, None)
        self.got += body["reports"]
        told = [
            {"id": one["id"], **self.results.get(one["kind"], {"result": "ok"})}
            for one in body["reports"]
        ]
        return GuichetAnswer(200, {"results": told, "epoch": self.epoch}, None)

    @property
    def kinds(self):
        return [one["kind"] for one in self.got]


@dataclass
class Known:
    """What the module knows, by value."""

    guests: bool = True
    revision: int = 1
    own_name: str = OWN
    is_known: bool = True
    rules_heard_ms: int = 0
    epoch: str = "one"
    identity_servers: frozenset[str] = frozenset({"guichet.example"})

    @property
    def rules(self):
        return RuleSet.compile((), revision=self.revision)

    def is_guest(self, _user_id):
        return self.guests

    async def ready(self):
        """It is."""


@dataclass
class Refused:
    """The refusals, by value."""

    kept: list = field(default_factory=list)
    terms: Any = field(default_factory=lambda: SimpleNamespace(within=at_once))

    def drain(self):
        kept, self.kept = self.kept, []
        return kept


@dataclass
class House:
    """A homeserver with the part in it, and Guichet at the other end."""

    path: Any
    synapse: Any = None
    guichet: Guichet = field(default_factory=Guichet)
    cache: Known = field(default_factory=Known)
    refused: Refused = field(default_factory=Refused)

    def start(self):
        self.synapse = Synapse(self.path)
        config = Config("https://guichet.example", "credential")
        self.context = Context(config, self.synapse, self.cache, self.refused, self.guichet)
        self.part = binder.Reporter(self.context)

    def restart(self):
        before = self.synapse
        self.start()
        self.synapse.now, self.synapse.number = before.now, before.number

    def run(self, coroutine):
        return asyncio.run(coroutine)

    def work(self, seconds=2):
        self.synapse.now += seconds * 1000
        self.run(self.part.work())

    def verify(self, address=ADDRESS, user_id=GIL, medium="email"):
        with self.synapse.database as database:
            database.execute(
                "INSERT INTO user_threepids VALUES (?, ?, ?)", (user_id, medium, address)
            )
        self.run(
            self.synapse.callbacks["on_add_user_third_party_identifier"](user_id, medium, address)
        )

    def forget(self, address=ADDRESS):
        """The row goes, and nobody tells the module."""
        with self.synapse.database as database:
            database.execute("DELETE FROM user_threepids WHERE address = ?", (address,))


def member(membership, *, by=GIL, user_id=GIL, by_mail=False, **content):
    given = {"membership": membership, **content}
    if by_mail:
        given["third_party_invite"] = {"signed": {"token": "token"}}
    return {
        "type": MEMBER,
        "room_id": ROOM,
        "sender": by,
        "state_key": user_id,
        "content": given,
    }


def third_party(by, content, token="token"):
    return {
        "type": THIRD_PARTY_INVITE,
        "room_id": ROOM,
        "sender": by,
        "state_key": token,
        "content": content,
    }
