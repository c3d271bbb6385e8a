"""Measures what our module costs users of Synapse.

The same actions run on a Synapse with our module, with a module that does nothing, and without one,
all on PostgreSQL. What is compared is the processor time of Synapse's process: it stays the same
while the machine is busy with something else.
"""

import shutil
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import yaml

from domain_rules.synapse_modules.configuration import POLL_SECONDS
from tests.services.certificates import Authority
from tests.services.guichet_synapse import GuichetHomeserver, Person, started
from tests.services.postgresql import PostgreSQLServer, running_server
from tests.services.synapse import FREELY, ROOT
from tests.services.told_guichet import ToldGuichet
from tests.services.trusting_synapse import TrustingHomeserver
from tests.services.waiting import LOOPBACK, wait_for

from .rows import Row
from .timed_module import TIMES

NAME = "bench.example"  # of all three: they begin with the same database
MEMBERS = 1000
ROUNDS = 40
LOOKS, LOOK_SECONDS = 4, 0.005  # until Synapse has nothing to do
OURS, EMPTY, NONE = "ours", "empty", "none"
ENCRYPTED = {
    "type": "m.room.encryption",
    "state_key": "",
    "content": {"algorithm": "m.megolm.v1.aes-sha2"},
}


class Timed(GuichetHomeserver):
    """A homeserver with our module, which writes the time of every callback to `times`."""

    @property
    def times(self) -> Path:
        return self.folder / "times"

    def _settings(self) -> dict[str, Any]:
        settings = super()._settings()
        settings["modules"][0]["module"] = "bench.timed_module.Timed"
        return settings

    def _environment(self) -> dict[str, str]:
        return super()._environment() | {TIMES: str(self.times)}


class WithEmptyModule(TrustingHomeserver):
    """A homeserver with a module that is called for every event and does nothing."""

    def _settings(self) -> dict[str, Any]:
        return super()._settings() | {"modules": [{"module": "bench.empty_module.Empty"}]}

    def _environment(self) -> dict[str, str]:
        return super()._environment() | {"PYTHONPATH": str(ROOT)}


class Taken(NamedTuple):
    """The seconds an action took: elapsed, and of processor time."""

    wall: float
    processor: float


@dataclass
class People:
    """Two people with accounts on each homeserver, and the big room they are in."""

    ana: Person
    bob: Person
    big_room: str

    def on(self, homeserver: TrustingHomeserver) -> "People":
        """The same people on another of the homeservers."""
        return People(_moved(self.ana, homeserver), _moved(self.bob, homeserver), self.big_room)


def measure(folder: Path, authority: Authority) -> Iterator[Row]:
    """Run the three homeservers and compare them."""
    guichet = ToldGuichet()
    guichet.sources = {NAME: "agent"}
    folders = [folder / name for name in (OURS, EMPTY, NONE)]
    for each in folders:
        each.mkdir()
    further = {"server_name": NAME, "rc_joins_per_room": FREELY, "rc_room_creation": FREELY}
    none = TrustingHomeserver(folders[2], authority, **further)
    none.server_name = NAME
    try:
        with running_server() as server:
            people = _filled(none, server)
            ours = Timed(
                folders[0],
                authority,
                guichet_url=guichet.url,
                credential=NAME,
                module={"poll_seconds": POLL_SECONDS},
                **further,
            )
            empty = WithEmptyModule(folders[1], authority, **further)
            for each in (ours, empty):
                _copy(none, each, server)
            with started(ours, empty, none):
                wait_for(lambda: "/rules" in str(guichet.asked), what="the module has heard")
                yield from _compared(ours, {OURS: ours, EMPTY: empty, NONE: none}, people)
    finally:
        guichet.stop()


def _filled(first: TrustingHomeserver, server: PostgreSQLServer) -> People:
    """Make a big room on this homeserver. It is stopped afterwards."""
    _store_in(first, server, server.create_database())
    with started(first):
        ana, bob = Person(first, "ana"), Person(first, "bob")
        room_id = ana.create(preset="public_chat", name="Everybody")
        for number in range(MEMBERS - 1):
            Person(first, f"member{number}").do("POST", f"/rooms/{quote(room_id)}/join")
        first.stop()
    return People(ana, bob, room_id)


def _copy(first: TrustingHomeserver, other: TrustingHomeserver, server: PostgreSQLServer) -> None:
    """Give the other the name, key and database of the first, which is stopped."""
    other.server_name, other.admin_token = NAME, first.admin_token
    shutil.copy(first.folder / "signing.key", other.folder / "signing.key")
    _store_in(other, server, server.create_database(template=_database_of(first)))


def _store_in(homeserver: TrustingHomeserver, server: PostgreSQLServer, name: str) -> None:
    settings = yaml.safe_load(homeserver.config.read_text(encoding="utf-8"))
    settings["database"] = {
        "name": "psycopg2",
        "allow_unsafe_locale": True,
        "args": {"user": "postgres", "host": LOOPBACK, "port": server.port, "dbname": name},
    }
    homeserver.config.write_text(yaml.safe_dump(settings), encoding="utf-8")


def _database_of(homeserver: TrustingHomeserver) -> str:
    settings = yaml.safe_load(homeserver.config.read_text(encoding="utf-8"))
    return str(settings["database"]["args"]["dbname"])


def _moved(person: Person, homeserver: TrustingHomeserver) -> Person:
    """The same account and token, on a copy of its homeserver."""
    moved = object.__new__(Person)
    moved.__dict__ = person.__dict__ | {"homeserver": homeserver}
    return moved


def _compared(
    ours: Timed, homeservers: dict[str, TrustingHomeserver], people: People
) -> Iterator[Row]:
    everybody = {name: people.on(homeserver) for name, homeserver in homeservers.items()}
    for each in everybody.values():  # a first round that does not count fills Synapse's caches
        _round(each, -1)
    ours.times.write_text("")
    taken: dict[str, list[dict[str, Taken]]] = {name: [] for name in everybody}
    names = list(everybody)
    for number in range(ROUNDS):
        names.append(names.pop(0))
        for name in names:
            times = ours.times if name == OURS else None
            taken[name].append(_round(everybody[name], number, times))
    for action, at_most in (("create", 1.2), ("invite", 1.2), ("join", 1.2), ("send", 1.05)):
        spent = {name: [each[action] for each in rounds] for name, rounds in taken.items()}
        yield Row(
            f"{action}: processor time of a Synapse with the module, to one without",
            _ratio(spent[OURS], spent[NONE]),
            "x",
            at_most=at_most,
            detail=_details(spent),
        )
    whole = [(each["send"].wall, each["own"].wall) for each in taken[OURS]]
    yield Row(
        f"our own part of sending a message into a room of {MEMBERS:,} members",
        statistics.median(send / (send - own) for send, own in whole),
        "x",
        at_most=1.02,
        detail="the time inside our callbacks, of the whole request",
    )


def _round(on: People, number: int, times: Path | None = None) -> dict[str, Taken]:
    """Create a private room as clients do, invite, join, and send a message to the big room."""
    clock, taken = _Clock(on.ana.homeserver), {}
    facts = {"name": "Budget", "preset": "private_chat", "initial_state": [ENCRYPTED]}
    made, taken["create"] = clock.time(lambda: on.ana.create(**facts))
    room = f"/rooms/{quote(made)}"
    invite = {"user_id": on.bob.user_id}
    _, taken["invite"] = clock.time(lambda: on.ana.do("POST", f"{room}/invite", **invite))
    _, taken["join"] = clock.time(lambda: on.bob.do("POST", f"{room}/join"))
    big = f"/rooms/{quote(on.big_room)}/send/m.room.message/{number}"
    said = {"msgtype": "m.text", "body": "Bonjour"}
    before = times.stat().st_size if times else 0
    _, taken["send"] = clock.time(lambda: on.ana.do("PUT", big, **said))
    if times:
        lines = times.read_text(encoding="utf-8")[before:].splitlines()
        own = sum(float(line.split()[1]) for line in lines)
        taken["own"] = Taken(own, own)
    return taken


class _Clock:
    """Measures the elapsed time of a request and the processor time of the homeserver's process.

    What Synapse still does after its answer counts as well.
    """

    def __init__(self, homeserver: TrustingHomeserver) -> None:
        assert homeserver.child is not None
        self._threads = Path(f"/proc/{homeserver.child.pid}/task")

    def time(self, act: Callable[[], Any]) -> tuple[Any, Taken]:
        began, before = time.perf_counter(), self._processor()
        done = act()
        wall = time.perf_counter() - began
        self._settle()
        return done, Taken(wall, self._processor() - before)

    def _settle(self) -> None:
        """Wait until none of its threads has run, or wanted to, in several looks."""
        quiet = 0
        while quiet < LOOKS:
            time.sleep(LOOK_SECONDS)
            quiet = 0 if self._is_busy() else quiet + 1

    def _is_busy(self) -> bool:
        states = (each.joinpath("stat").read_text() for each in self._threads.iterdir())
        return any(state.rpartition(")")[2].split()[0] in "RD" for state in states)

    def _processor(self) -> float:
        """Seconds of processor time, of all threads."""
        run = (each.joinpath("schedstat").read_text() for each in self._threads.iterdir())
        return sum(int(each.split()[0]) for each in run) / 1e9


def _ratio(ours: list[Taken], theirs: list[Taken]) -> float:
    """The ratio of the medians of the processor time."""
    return _processor(ours) / _processor(theirs)


def _processor(taken: list[Taken]) -> float:
    return statistics.median(each.processor for each in taken)


def _details(times: dict[str, list[Taken]]) -> str:
    medians = [
        f"{name} {_processor(taken) * 1e3:.1f} ms"
        f" ({statistics.median(each.wall for each in taken) * 1e3:.1f} ms elapsed)"
        for name, taken in times.items()
    ]
    nothing = _ratio(times[EMPTY], times[NONE])
    return f"{', '.join(medians)}; with a module that does nothing {nothing:.2f}"
