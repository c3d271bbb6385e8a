"""The module API of a Synapse, and Guichet at the other end: both by value, over SQLite and a clock that stands."""

import asyncio
import json
import sqlite3
import uuid
from dataclasses import dataclass, field
from typing import Any

from domain_rules.synapse_modules.cache import Cache
from domain_rules.synapse_modules.clients import GuichetAnswer, GuichetUnreachable
from domain_rules.synapse_modules.configuration import Config
from domain_rules.synapse_modules.part import Context
from domain_rules.synapse_modules.refusals import Refusals, SynapseTypes
from domain_rules.synapse_modules.sync import Sync
from tests.services.told_guichet import told_rule

AGENTS, GUESTS, MIXED, OTHER = (
    f"{name}.example" for name in ("agents", "guests", "mixed", "other-mixed")
)
ANA, GIL, MIA = f"@ana:{AGENTS}", f"@gil:{GUESTS}", f"@mia:{MIXED}"
SOURCES = {AGENTS: "agent", GUESTS: "guest", MIXED: "by_person", OTHER: "by_person"}
OPEN_RULE = told_rule("suffix", "interieur.example", "agent", AGENTS, organisation="Intérieur")
DEFAULT_RULE = told_rule("default", "", "guest", GUESTS, requires_invite=True)
SYNAPSE = """
CREATE TABLE IF NOT EXISTS user_threepids (user_id TEXT, medium TEXT, address TEXT);
CREATE TABLE IF NOT EXISTS users (name TEXT, admin SMALLINT);
CREATE TABLE IF NOT EXISTS rooms (room_id TEXT PRIMARY KEY, room_version TEXT);
CREATE TABLE IF NOT EXISTS partial_state_rooms (room_id TEXT);
CREATE TABLE IF NOT EXISTS current_state_events (
    event_id TEXT, room_id TEXT, type TEXT, state_key TEXT, PRIMARY KEY (room_id, type, state_key));
CREATE TABLE IF NOT EXISTS event_json (event_id TEXT, json TEXT);
"""


def run(awaitable: Any) -> Any:
    async def waiting() -> Any:
        return await awaitable

    return asyncio.run(waiting())


async def at_once(_seconds, callback, *facts):
    """In place of Twisted's clock: nothing is late."""
    return await callback(*facts)


class Refused(Exception):
    """Stands where Synapse's own error stands."""

    def __init__(self, status, text, code, fields):
        super().__init__(text)
        self.status, self.code, self.fields = status, code, fields


class Synapse:
    """What the module calls. Several over one database are the processes of one homeserver."""

    def __init__(self, server_name: str, database: Any = None, *, is_main: bool = True) -> None:
        self.server_name = server_name
        self.database = database or sqlite3.connect(":memory:")
        self.database.executescript(SYNAPSE)
        self.is_main = is_main
        self.now = 1_800_000_000_000
        self.callbacks: dict[str, Any] = {}
        self.loops: dict[str, Any] = {}
        self.asked_about: list[str] = []
        self.transactions: list[str] = []

    def get_current_time_msec(self):
        return self.now

    def should_run_background_tasks(self):
        return self.is_main

    def register_third_party_rules_callbacks(self, **callbacks):
        self.callbacks |= callbacks

    register_spam_checker_callbacks = register_third_party_rules_callbacks

    def delayed_background_call(self, _ms, function, *, desc):
        self.loops[desc] = function

    def looping_background_call(self, function, _ms, *, desc, run_on_all_instances=False):
        self.loops[desc] = function

    async def run_db_interaction(self, desc, function, *given):
        self.transactions.append(desc)
        with self.database:
            return function(self.database.cursor(), *given)

    async def defer_to_thread(self, function, *given):
        return function(*given)

    async def sleep(self, seconds):
        raise AssertionError("nobody waits here")

    async def is_user_admin(self, user_id):
        self.asked_about.append(user_id)
        found = self.database.execute("SELECT admin FROM users WHERE name = ?", (user_id,))
        return bool((found.fetchone() or [0])[0])

    async def get_threepids_for_user(self, user_id):
        found = self.database.execute(
            "SELECT medium, address FROM user_threepids WHERE user_id = ?", (user_id,)
        )
        return [{"medium": medium, "address": address} for medium, address in found]

    def has_member(self, room_id, user_id, membership):
        """From now on."""
        event_id = f"${uuid.uuid4()}"
        told = {"sender": user_id, "content": {"membership": membership}, "origin_server_ts": 1}
        for row in (
            ("rooms", room_id, "12"),
            ("current_state_events", event_id, room_id, "m.room.member", user_id),
            ("event_json", event_id, json.dumps(told)),
        ):
            table, *values = row
            marks = ", ".join("?" * len(values))
            self.database.execute(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", values)

    def has_address(self, user_id, address):
        """In the database, and nobody was told."""
        facts = user_id, "email", address
        self.database.execute("INSERT INTO user_threepids VALUES (?, ?, ?)", facts)

    def attach(self, user_id, address):
        self.has_address(user_id, address)
        run(self.callbacks["on_add_user_third_party_identifier"](user_id, "email", address))

    def detach(self, user_id, address):
        self.database.execute("DELETE FROM user_threepids WHERE address = ?", (address,))
        run(self.callbacks["on_remove_user_third_party_identifier"](user_id, "email", address))


@dataclass
class Told:
    """Guichet's two feeds. `asked` is path and tag."""

    own: str
    sources: dict[str, str] = field(default_factory=lambda: dict(SOURCES))
    rules: list[Any] = field(default_factory=lambda: [OPEN_RULE, DEFAULT_RULE])
    epoch: str = "first"
    revision: int = 1
    number: int = 1
    agents: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    is_away: bool = False
    raw: Any = None
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    declared: str = ""
    paused: list[str] = field(default_factory=list)

    async def get(self, path, etag=None):
        if self.is_away:
            raise GuichetUnreachable("no answer")
        path, _, query = path.partition("?") if path.startswith("/rules") else (path, "", "")
        self.declared = query or self.declared
        self.asked.append((path, etag))
        if self.raw is not None:
            return GuichetAnswer(200, self.raw, None)
        body = self._rules() if path == "/rules" else self._agents(int(path.rpartition("=")[2]))
        tag = f"{self.epoch}.{self.revision}.{self.number}.{path}"
        return GuichetAnswer(304, None, tag) if tag == etag else GuichetAnswer(200, body, tag)

    def publish(self, *rules):
        self.rules, self.revision = list(rules), self.revision + 1

    def _rules(self):
        return {
            "epoch": self.epoch,
            "revision": self.revision,
            "homeserver": {
                "name": self.own,
                "class_source": self.sources.get(self.own),
                "user_id_scheme": "random",
            },
            "homeservers": {name: {"class_source": kind} for name, kind in self.sources.items()},
            "rules": json.loads(json.dumps(self.rules)),
            "paused_inviters": self.paused,
            "identity_server": {"names": ["guichet.example"], "public_keys": {"ed25519:1": "key"}},
        }

    def _agents(self, since):
        return {
            "epoch": self.epoch,
            "number": self.number,
            "added": self.agents,
            "removed": [] if since == 0 else self.removed,
            "complete": since == 0,
        }


class Process:
    """One process of a homeserver with the module in it; `begin` is what Synapse does at start."""

    def __init__(self, synapse: Synapse, told: Told, **config: Any) -> None:
        self.synapse, self.told = synapse, told
        self.config = Config(guichet_url="https://guichet.example", credential="c", **config)
        self.cache = Cache(self.config, synapse)
        terms = SynapseTypes(
            not_spam=object(), forbidden="M_FORBIDDEN", error_class=Refused, within=at_once
        )
        self.refusals = Refusals(terms, synapse.get_current_time_msec, mode=self.config.mode)
        self.context = Context(self.config, synapse, self.cache, self.refusals, told)
        self.feeds = Sync(self.context)
        self.feeds.start()

    def begin(self) -> "Process":
        run(self.synapse.loops["guichet_begin"]())
        return self

    def poll(self, *, seconds: float = 20) -> None:
        self.synapse.now += int(seconds * 1000)
        run(self.feeds.refresh())

    def reload(self, *, seconds: float = 2) -> None:
        self.synapse.now += int(seconds * 1000)
        run(self.feeds.reload())

    def is_agent(self, user_id: str) -> bool:
        return self.cache.class_of(user_id).value == "agent"


def process(server_name: str, **config: Any) -> Process:
    """Begun, with Guichet there."""
    return Process(Synapse(server_name), Told(server_name), **config).begin()
