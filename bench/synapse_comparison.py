"""Measures what our module costs users of Synapse.

The same actions run on a Synapse with our module, with a module that does nothing, and without one.
"""

import shutil
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from domain_rules.synapse_modules.configuration import POLL_SECONDS
from tests.services.certificates import Authority
from tests.services.guichet_synapse import GuichetHomeserver, Person, started
from tests.services.synapse import FREELY, ROOT
from tests.services.told_guichet import ToldGuichet
from tests.services.trusting_synapse import TrustingHomeserver
from tests.services.waiting import wait_for

from .rows import Row
from .timed_module import TIMES

NAME = "bench.example"  # of all three: they begin with the same database
MEMBERS = 1000
ROUNDS = 60
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
    ours = Timed(
        folders[0],
        authority,
        guichet_url=guichet.url,
        credential=NAME,
        module={"poll_seconds": POLL_SECONDS},
        **further,
    )
    empty, none = (
        kind(own_folder, authority, **further)
        for kind, own_folder in ((WithEmptyModule, folders[1]), (TrustingHomeserver, folders[2]))
    )
    for each in (ours, empty, none):
        each.server_name = NAME
    try:
        people = _filled(none, ours, empty)
        with started(ours, empty, none):
            wait_for(lambda: "/rules" in str(guichet.asked), what="the module has heard")
            yield from _compared(ours, {OURS: ours, EMPTY: empty, NONE: none}, people)
    finally:
        guichet.stop()


def _filled(first: TrustingHomeserver, *others: TrustingHomeserver) -> People:
    """Make a big room on the first homeserver, and copy its database to the others."""
    with started(first):
        ana, bob = Person(first, "ana"), Person(first, "bob")
        room_id = ana.create(preset="public_chat", name="Everybody")
        for number in range(MEMBERS - 1):
            Person(first, f"member{number}").do("POST", f"/rooms/{quote(room_id)}/join")
        first.stop()
    for other in others:
        for name in ("homeserver.db", "signing.key"):
            shutil.copy(first.folder / name, other.folder / name)
        other.admin_token = first.admin_token
    return People(ana, bob, room_id)


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
    for action, at_most in (("create", 1.2), ("invite", 1.2), ("join", 1.2), ("send", 1.25)):
        spent = {name: [each[action] for each in rounds] for name, rounds in taken.items()}
        yield Row(
            f"{action}: a Synapse with the module, to one without",
            _ratio([each.wall for each in spent[OURS]], [each.wall for each in spent[NONE]]),
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
    """Measures the elapsed time of a request and the processor time of the homeserver's process."""

    def __init__(self, homeserver: TrustingHomeserver) -> None:
        assert homeserver.child is not None
        self._threads = Path(f"/proc/{homeserver.child.pid}/task")

    def time(self, act: Callable[[], Any]) -> tuple[Any, Taken]:
        began, before = time.perf_counter(), self._processor()
        done = act()
        return done, Taken(time.perf_counter() - began, self._processor() - before)

    def _processor(self) -> float:
        """Seconds of processor time, of all threads."""
        run = (each.joinpath("schedstat").read_text() for each in self._threads.iterdir())
        return sum(int(each.split()[0]) for each in run) / 1e9


def _ratio(ours: list[float], theirs: list[float]) -> float:
    """The median ratio of measurements taken one after the other, so that noise affects both."""
    return statistics.median(mine / other for mine, other in zip(ours, theirs, strict=True))


def _details(times: dict[str, list[Taken]]) -> str:
    walls = {name: [each.wall for each in taken] for name, taken in times.items()}
    processor = {name: [each.processor for each in taken] for name, taken in times.items()}
    medians = [f"{name} {statistics.median(each) * 1e3:.1f} ms" for name, each in walls.items()]
    return (
        f"{', '.join(medians)}; with a module that does nothing {_ratio(walls[EMPTY], walls[NONE]):.2f};"
        f" of the processor {_ratio(processor[OURS], processor[NONE]):.2f}"
        f" and {_ratio(processor[EMPTY], processor[NONE]):.2f}"
    )
