"""Who is found by whom, and the red list as it is kept in Synapse's database."""

import asyncio
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing

import psycopg
import pytest

from domain_rules.synapse_modules import directory
from domain_rules.synapse_modules.agents_only import AgentsOnly
from domain_rules.synapse_modules.cache import Cache
from domain_rules.synapse_modules.configuration import ClassSource, Config, Mode
from domain_rules.synapse_modules.directory import HIDE_PROFILE, PeopleSearch
from domain_rules.synapse_modules.part import Context
from domain_rules.synapse_modules.refusals import Refusals, SynapseTypes
from domain_rules.synapse_modules.snapshot import Snapshot
from tests.worlds.module_synapse import at_once

AGENTS, GUESTS = "agents.example", "guests.example"
ANA, ZOE, BOSS = f"@ana:{AGENTS}", f"@zoe:{AGENTS}", f"@boss:{AGENTS}"
GIL, STRANGER = f"@gil:{GUESTS}", "@who:unknown.example"
HIDE, SHOW = {"hide_profile": True}, {"hide_profile": False}
CONFIG = Config(
    guichet_url="https://guichet.example",
    credential="secret",
    exempt=frozenset({BOSS}),
    poll_seconds=3600,
)


class SmallSynapse:
    """Of one process: its database, its clock, and what was registered with it."""

    server_name = AGENTS

    def __init__(self, database: sqlite3.Connection, *, background: bool = True) -> None:
        self.database = database
        self.background = background
        self.loops: list[Callable] = []
        self.queries = 0
        self.now_ms = 1_000_000
        self.broken = False
        self.admins: set[str] = set()

    def get_current_time_msec(self) -> int:
        return self.now_ms

    def should_run_background_tasks(self) -> bool:
        return self.background

    def register_spam_checker_callbacks(self, **_) -> None:
        """Called by name below."""

    register_account_data_callbacks = register_spam_checker_callbacks

    def delayed_background_call(self, _ms, call, *, desc) -> None:
        self.loops.append(call)

    def looping_background_call(self, call, ms, *, desc, run_on_all_instances) -> None:
        assert run_on_all_instances
        assert ms <= 20_000  # within a minute, with room to spare

    async def run_db_interaction(self, _name, query, *args, **facts):
        self.queries += 1
        if self.broken:
            raise sqlite3.OperationalError("the database restarts")
        with self.database:
            return query(self.database.cursor(), *args, **facts)

    async def is_user_admin(self, user_id: str) -> bool:
        return user_id in self.admins

    def begin(self) -> None:
        for call in self.loops:
            asyncio.run(call())


@pytest.fixture
def database():
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("CREATE TABLE account_data (user_id, account_data_type, content)")
        yield database


@pytest.fixture
def process(database):
    """One process of Synapse with the directory, begun."""

    def process(*, mode=Mode.ENFORCE, background=True, begun=True) -> PeopleSearch:
        synapse = SmallSynapse(database, background=background)
        cache = Cache(CONFIG, synapse)
        sources = {AGENTS: ClassSource.AGENT, GUESTS: ClassSource.GUEST}
        cache.snapshot = Snapshot(epoch="e", own_name=AGENTS, sources=sources)
        terms = SynapseTypes(
            not_spam="NOT_SPAM", forbidden="M_FORBIDDEN", error_class=RuntimeError, within=at_once
        )
        refusals = Refusals(terms, synapse.get_current_time_msec, mode=mode)
        part = PeopleSearch(Context(CONFIG, synapse, cache, refusals, client=None))
        if begun:
            synapse.begin()
        return part

    return process


def finds(part: PeopleSearch, searcher: str) -> set[str]:
    """Of everybody, those whom a search shows."""
    everybody = (ANA, ZOE, BOSS, GIL, STRANGER)
    return {
        found
        for found in everybody
        if not asyncio.run(part.is_hidden({"user_id": found, "display_name": None}, searcher))
    }


def changed(part: PeopleSearch, user_id: str, content, *, room=None, kind=HIDE_PROFILE) -> None:
    asyncio.run(part.account_data_changed(user_id, room, kind, content))


def test_guests_find_nobody_and_are_found_by_nobody(process):
    part = process()
    assert finds(part, GIL) == set()
    assert finds(part, STRANGER) == set()
    assert finds(part, ANA) == {ANA, ZOE, BOSS}


def test_an_exempt_account_finds_everybody(process):
    part = process()
    changed(part, ZOE, HIDE)
    assert finds(part, BOSS) == {ANA, ZOE, BOSS, GIL, STRANGER}


def test_an_administrator_of_the_server_is_found_by_no_colleague(process):
    part = process()
    part.cache.administrators = {ZOE}
    assert finds(part, ANA) == {ANA, BOSS}
    assert finds(part, ZOE) == {ANA, ZOE, BOSS, GIL, STRANGER}


def test_a_row_costs_no_query(process):
    part = process()
    before = part.api.queries
    finds(part, ANA)
    finds(part, GIL)
    assert part.api.queries == before


def test_a_guests_search_is_one_refusal_however_many_rows_it_had(process):
    part = process()
    finds(part, GIL)
    assert [kept.reason for kept in part.refusals.drain()] == ["guest_may_not_search_people"]
    part.api.now_ms += 5000
    finds(part, GIL)
    assert len(part.refusals.drain()) == 1


def test_who_hides_is_hidden_at_once_and_shown_again(process):
    part = process()
    changed(part, ZOE, HIDE)
    assert finds(part, ANA) == {ANA, BOSS}
    changed(part, ZOE, SHOW)
    assert finds(part, ANA) == {ANA, ZOE, BOSS}
    changed(part, ZOE, HIDE)
    changed(part, ZOE, {})
    assert finds(part, ANA) == {ANA, ZOE, BOSS}


def test_the_other_processes_read_it_at_their_next_look(process):
    writer, reader = process(), process(background=False)
    changed(writer, ZOE, HIDE)
    asyncio.run(reader.refresh())
    assert finds(reader, ANA) == {ANA, BOSS}
    changed(writer, ZOE, SHOW)
    asyncio.run(reader.refresh())
    assert finds(reader, ANA) == {ANA, ZOE, BOSS}


def test_a_process_that_starts_before_the_table_is_there_makes_it(process):
    assert finds(process(background=False), ANA) == {ANA, ZOE, BOSS}


@pytest.mark.parametrize("content", [None, [], {"hide_profile": "yes"}, {"hide_profile": 1}, "x"])
def test_only_a_plain_yes_hides(process, content):
    part = process()
    changed(part, ZOE, content)
    assert ZOE in finds(part, ANA)


def test_other_account_data_and_those_of_a_room_hide_nobody(process):
    part = process()
    changed(part, ZOE, HIDE, room="!room:agents.example")
    changed(part, ZOE, HIDE, kind="m.direct")
    assert ZOE in finds(part, ANA)


def test_what_was_changed_while_the_module_was_off_counts_from_the_start(process, database):
    changed(process(), ANA, HIDE)
    stored = [(ZOE, HIDE_PROFILE, HIDE), (ANA, HIDE_PROFILE, SHOW), (BOSS, "m.direct", HIDE)]
    rows = [(user_id, kind, json.dumps(content)) for user_id, kind, content in stored]
    database.executemany("INSERT INTO account_data VALUES (?, ?, ?)", rows)
    database.execute("INSERT INTO account_data VALUES (?, ?, 'no JSON')", (BOSS, HIDE_PROFILE))
    assert finds(process(), ANA) == {ANA, BOSS}
    assert finds(process(background=False), ANA) == {ANA, BOSS}


def test_before_the_list_was_read_nobody_is_shown(process):
    part = process(begun=False)
    part.api.broken = True
    part.api.begin()
    assert finds(part, ANA) == set()
    changed_meanwhile = {"user_id": ZOE}
    assert asyncio.run(part.is_hidden(changed_meanwhile, ANA))
    part.api.broken = False
    asyncio.run(part.refresh())
    assert finds(part, ANA) == {ANA, ZOE, BOSS}


def test_a_database_that_restarts_leaves_the_list_as_it_was(process):
    part = process()
    changed(part, ZOE, HIDE)
    part.api.broken = True
    asyncio.run(part.refresh())
    assert finds(part, ANA) == {ANA, BOSS}


def test_where_refusals_are_only_logged_everybody_is_shown(process):
    part = process(mode=Mode.LOG)
    changed(part, ZOE, HIDE)
    assert finds(part, ANA) == {ANA, ZOE, BOSS, GIL, STRANGER}
    assert len(finds(part, GIL)) == 5
    assert len(part.refusals.drain()) == 1


def at_the_door(part: PeopleSearch, user_id: str):
    door = AgentsOnly(Context(CONFIG, part.api, part.cache, part.refusals, client=None))
    return asyncio.run(door.answer(user_id))


def test_a_proxy_lets_agents_through_and_tells_guests_why_not(process):
    part = process()
    assert at_the_door(part, ANA) == (200, {})
    status, told = at_the_door(part, GIL)
    assert (status, told["errcode"], told["org.guichet.reason"]) == (
        403,
        "M_FORBIDDEN",
        "not_allowed",
    )
    assert at_the_door(process(mode=Mode.LOG), GIL) == (200, {})


def test_an_administrator_learns_what_the_module_decides_by(process):
    part = process()
    part.api.admins.add(ZOE)
    told = {"revision": 0, "age_seconds": None, "mode": "enforce"}
    assert at_the_door(part, ZOE) == (200, told)
    part.cache.snapshot = Snapshot()
    assert at_the_door(part, ZOE) == (200, told | {"revision": None})


class OnPostgresql:
    """A cursor as Synapse hands it out: question marks become what PostgreSQL's driver wants."""

    def __init__(self, cursor) -> None:
        self.cursor = cursor
        self.fetchall = cursor.fetchall

    def execute(self, statement: str, values=()) -> None:
        self.cursor.execute(statement.replace("?", "%s"), values)


@pytest.mark.postgresql
def test_the_list_is_kept_on_postgresql_as_well(empty_postgresql_url):
    url = empty_postgresql_url.replace("+psycopg", "")
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        txn = OnPostgresql(cursor)
        txn.execute(
            "CREATE TABLE account_data (user_id TEXT, account_data_type TEXT, content TEXT)"
        )
        row = (ANA, HIDE_PROFILE, json.dumps(HIDE))
        txn.execute("INSERT INTO account_data VALUES (?, ?, ?)", row)
        assert directory.create_and_read_red_list(txn) == frozenset()
        for hides in (True, True, False, True):
            directory.record_choice(txn, ZOE, hides=hides)
        assert directory.read_red_list(txn) == {ZOE}
        assert directory.reconcile_red_list(txn) == {ANA}
        assert directory.create_and_read_red_list(txn) == {ANA}
