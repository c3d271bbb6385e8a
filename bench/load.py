"""Loads a server with wrk: how much it answers, how soon, and the processor time of an answer."""

import re
import shutil
import statistics
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import NamedTuple

import requests

from . import rows
from .processor_time import used_seconds

SCRIPT = Path(__file__).with_name("load.lua")
CONNECTIONS = 16
SECONDS = 1  # of one run
LOOK = 0.2  # seconds between two looks whether a server is idle
IDLE = 0.03  # seconds of work in that time
LONGEST = 30  # seconds of a run in which nothing is answered
WITHIN = 30.0  # seconds for what a run has left behind
MEASURED = re.compile(r"^measured (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)$", re.MULTILINE)
PLACEHOLDER = "{n}"


class Request(NamedTuple):
    """A request. `caller`: whom the proxy in front forwards it for. `{n}` in `body`: its number."""

    method: str
    path: str
    token: str = ""
    caller: str = ""
    body: str = ""


@dataclass(frozen=True)
class Target:
    """A server. `server`, `stores`: the process ids whose time counts, with all their children.

    `before`: the same of an older checkout, which is asked the same in turn with it.
    """

    url: str
    server: Sequence[int]
    stores: Sequence[int] = ()
    before: "Target | None" = None


@dataclass(frozen=True)
class Measured:
    """What a run came to: answers a second, and milliseconds. `before`: of the older checkout."""

    rate: float
    cpu_ms: float  # of the server's processes, for each answer
    stores_cpu_ms: float  # of PostgreSQL and Redis, for each answer
    median_ms: float
    p99_ms: float
    before: "Measured | None" = None

    def __str__(self) -> str:
        told = (
            f"{self.rate:,.0f}/s, CPU {self.cpu_ms:.2f} + {self.stores_cpu_ms:.2f} ms, "
            f"median {self.median_ms:.1f} ms, p99 {self.p99_ms:.1f} ms"
        )
        if self.before is None:
            return told
        return f"{told}; {self.rate / self.before.rate:.2f} x what it was: {self.before}"


@dataclass(frozen=True)
class Finished:
    """What wrk counted in a run."""

    answers: int
    seconds: float
    broken: int  # connections that failed, and requests without an answer
    errors: int  # answers of 400 and more
    median_ms: float
    p99_ms: float


def read_summary(said: str) -> Finished:
    """Read the line of load.lua in the output of wrk. Raises ValueError if there is none."""
    found = MEASURED.search(said)
    if found is None:
        raise ValueError(said)
    answers, duration, broken, errors, median, late = map(int, found.groups())
    return Finished(answers, duration / 1e6, broken, errors, median / 1e3, late / 1e3)


class Load:
    """What one server is asked over some connections at once: the requests of a file, in turn."""

    _next = 0  # the number of the next request, of all loads together

    def __init__(
        self,
        target: Target,
        asked: Path,
        *,
        seconds: int = SECONDS,
        connections: int = CONNECTIONS,
    ) -> None:
        """`asked`: made by `write`."""
        self._target, self._asked = target, asked
        self._seconds, self._connections = seconds, connections
        self.before = target.before and Load(
            target.before, asked, seconds=seconds, connections=connections
        )

    def measure(self) -> Measured:
        """One run. Raises SystemExit if one answer is an error: then nothing was measured."""
        seconds, measured = self._seconds, self._measure_for(self._seconds)
        # A peer may answer all connections together, and not before it has read them all.
        while measured is None and seconds < LONGEST:
            seconds *= 4
            measured = self._measure_for(seconds)
        if measured is None:
            raise SystemExit(
                f"{self._asked.name}: no answer from {self._target.url} within {seconds} s"
            )
        return measured

    def ask_once(self) -> requests.Response:
        """Send one request of the file, as wrk does. Raises SystemExit if the answer is an error."""
        with self._asked.open(encoding="utf-8") as lines:
            request = Request(*next(lines).rstrip("\n").split("\t"))
        headers = {"Content-Type": "application/json"} if request.body else {}
        if request.token:
            headers["Authorization"] = f"Bearer {request.token}"
        if request.caller:
            headers["X-Forwarded-For"] = request.caller
        body = request.body.replace(PLACEHOLDER, str(self._take(1)))
        answer = requests.request(
            request.method,
            self._target.url + request.path,
            headers=headers,
            data=body.encode(),
            timeout=30,
        )
        if not answer.ok:
            raise SystemExit(f"{request.path}: {answer.status_code} {answer.text[:500]}")
        return answer

    def _measure_for(self, seconds: int) -> Measured | None:
        """None if nothing was answered in this time."""
        server, stores = self._used()
        finished = self._run(seconds)
        # At once: what wrk has left unanswered is not counted as an answer either.
        server_after, stores_after = self._used()
        self._settle()
        if finished.broken or finished.errors:
            again = self.ask_once()  # says what the error is, if it is still one
            raise SystemExit(f"{self._asked.name}: {finished}, and then {again.status_code}")
        if not finished.answers:
            return None
        return Measured(
            rate=finished.answers / finished.seconds,
            cpu_ms=(server_after - server) / finished.answers * 1e3,
            stores_cpu_ms=(stores_after - stores) / finished.answers * 1e3,
            median_ms=finished.median_ms,
            p99_ms=finished.p99_ms,
        )

    def _used(self) -> tuple[float, float]:
        return used_seconds(self._target.server), used_seconds(self._target.stores)

    def _run(self, seconds: int) -> Finished:
        first = self._take(0)
        command = [
            *("wrk", "--threads", "1", "--connections", str(self._connections)),
            *("--duration", f"{seconds}s", "--timeout", "30s"),
            *("--script", str(SCRIPT), self._target.url, "--", str(self._asked), str(first)),
        ]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        finished = read_summary(said)
        self._take(finished.answers + self._connections)
        return finished

    def _settle(self) -> None:
        """Wait until the server has done what wrk left behind: it would slow down the next run."""
        pids = [*self._target.server, *self._target.stores]
        until = time.monotonic() + WITHIN
        before = used_seconds(pids)
        while time.monotonic() < until:
            time.sleep(LOOK)
            now = used_seconds(pids)
            if now - before < IDLE:
                return
            before = now

    @staticmethod
    def _take(count: int) -> int:
        """The next number; so many are taken."""
        first = Load._next
        Load._next += count
        return first


def write(path: Path, asked: Iterable[Request]) -> Path:
    """Write the requests of a load to a file; return its path."""
    path.write_text("".join("\t".join(each) + "\n" for each in asked), encoding="utf-8")
    return path


def in_turn(loads: Mapping[str, Load]) -> dict[str, Measured]:
    """The medians for each load, figure by figure.

    All are measured once per round, so noise affects all alike.
    """
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is missing: make bench installs it")
    alternatives = {
        (name, is_older): each
        for name, load in loads.items()
        for is_older, each in ((False, load), (True, load.before))
        if each
    }
    for load in alternatives.values():
        load.ask_once()
    taken: dict[tuple[str, bool], list[Measured]] = {key: [] for key in alternatives}
    for _ in range(rows.rounds):
        for key, load in alternatives.items():
            taken[key].append(load.measure())
    found = {key: medians(runs) for key, runs in taken.items()}
    return {name: replace(found[name, False], before=found.get((name, True))) for name in loads}


def medians(runs: Iterable[Measured]) -> Measured:
    """The median of each figure."""
    figures = zip(*(astuple(replace(run, before=None))[:-1] for run in runs), strict=True)
    return Measured(*map(statistics.median, figures))
