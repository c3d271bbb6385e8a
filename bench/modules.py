"""Measures our module inside a running Synapse: the time of its callbacks and its memory."""

import re
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from tests.services.certificates import Authority
from tests.services.guichet_synapse import Person, started
from tests.services.told_guichet import ToldGuichet, told_rule
from tests.services.trusting_synapse import TrustingHomeserver
from tests.services.waiting import wait_for

from . import synapse_comparison
from .rows import Row
from .synapse_comparison import Timed

RULES = 33_000
PEOPLE = 100_000  # agents of another homeserver with agents and guests
ROOMS = 60
MESSAGES = 5  # in each room
MEMBERS = 4
ADDRESSES = 40  # that are added, one after the other
ELSEWHERE = "elsewhere.example"
# These callbacks write to Synapse's database, which elapsed time on a busy machine shows most.
WITH_DATABASE = (
    "sync.on_add_user_third_party_identifier",
    "reporter.on_add_user_third_party_identifier",
)


def measure() -> Iterator[Row]:
    """Run the suite."""
    with tempfile.TemporaryDirectory() as folder:
        folders = [Path(folder) / name for name in ("authority", "with", "without", "beside")]
        for each in folders:
            each.mkdir()
        authority, guichet = Authority(folders[0]), ToldGuichet()
        synapse = Timed(folders[1], authority, guichet_url=guichet.url)
        plain = TrustingHomeserver(folders[2], authority)
        _fill(guichet, synapse.server_name)
        try:
            with started(synapse, plain):
                _wait_until_heard(synapse)
                yield _memory(synapse, plain)
                synapse.times.write_text("")
                _use(synapse)
                yield from _callbacks(synapse.times)
        finally:
            guichet.stop()
        yield from synapse_comparison.measure(folders[3], authority)


def _fill(guichet: ToldGuichet, name: str) -> None:
    guichet.sources = {name: "by_person", ELSEWHERE: "by_person"}
    guichet.rules = [
        told_rule("domain", f"d{number}.example", "agent", name) for number in range(RULES)
    ]
    guichet.agents = [f"@person.{number}:{ELSEWHERE}" for number in range(PEOPLE)]


def _wait_until_heard(synapse: Timed) -> None:
    early = Person(synapse, "early")
    early.verifies("early@d0.example")
    wait_for(lambda: early.ask("POST", "/createRoom").ok, what="the module knows the rules")


def _use(synapse: Timed) -> None:
    """Let agents create rooms, invite, join, write and search; let a guest try."""
    agents = [Person(synapse, f"agent{number}") for number in range(MEMBERS)]
    for number, agent in enumerate(agents):
        agent.verifies(f"agent{number}@d{number}.example")
    guest, (ana, *others) = Person(synapse, "guest"), agents
    for number in range(ROOMS):
        room_id = ana.create(name=f"Room {number}", invite=[each.user_id for each in others])
        room = f"/rooms/{quote(room_id)}"
        for each in others:
            each.do("POST", f"{room}/join")
        for message in range(MESSAGES):
            said = {"msgtype": "m.text", "body": "Bonjour"}
            others[0].do("PUT", f"{room}/send/m.room.message/{number}.{message}", **said)
        ana.do("POST", "/user_directory/search", search_term="agent")
        guest.ask("POST", "/createRoom")
        guest.ask("POST", "/user_directory/search", search_term="agent")
    for number in range(ADDRESSES):
        guest.verifies(f"guest{number}@elsewhere.example")


def _callbacks(times: Path) -> Iterator[Row]:
    taken: dict[str, list[float]] = defaultdict(list)
    for line in times.read_text(encoding="utf-8").splitlines():
        name, seconds = line.split()
        taken[name].append(float(seconds) * 1e3)
    told = ", ".join(
        f"{name} {_late(each):.2f} ms of {len(each)}" for name, each in sorted(taken.items())
    )
    for what, names, most in (
        ("decide from memory", taken.keys() - WITH_DATABASE, 1),
        ("write to Synapse's database", WITH_DATABASE, None),  # once for each address
    ):
        yield Row(
            f"99th centile of the callbacks that {what}, inside Synapse",
            _late([each for name in names for each in taken[name]]),
            "ms",
            at_most=most,
            detail=told if names is not WITH_DATABASE else "",
        )


def _late(taken: list[float]) -> float:
    return statistics.quantiles(taken, n=100)[98]


def _memory(synapse: Timed, plain: TrustingHomeserver) -> Row:
    ours, theirs = _resident(synapse), _resident(plain)
    return Row(
        f"memory of the module in a process of Synapse, {RULES:,} rules and {PEOPLE:,} agents",
        ours - theirs,
        "MiB",
        at_most=50,
        detail=f"{ours:.0f} MiB with it, {theirs:.0f} MiB without",
    )


def _resident(synapse: TrustingHomeserver) -> float:
    """The resident memory in MiB."""
    assert synapse.child is not None
    status = Path(f"/proc/{synapse.child.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024
