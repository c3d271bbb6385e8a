"""Loads a server with wrk: how much it answers, how soon, and the processor time of an answer."""

import re
import shutil
import statistics
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import NamedTuple

import requests

from .processor_time import used_seconds
from .rows import ROUNDS

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
    """A server. `server`, `stores`: the process ids whose time counts, with all their children."""

    url: str
    server: Sequence[int]
    stores: Sequence[int] = ()


@dataclass(frozen=True)
class Measured:
    """What a run came to: answers a second, and milliseconds."""

    rate: float
    cpu_ms: float  # of the server's processes, for each answer
    stores_cpu_ms: float  # of PostgreSQL and Redis, for each answer
    median_ms: float
    p99_ms: float

    def __str__(self) -> str:
        return (
            f"{self.rate:,.0f}/s, CPU {self.cpu_ms:.2f} + {self.stores_cpu_ms:.2f} ms, "
            f"median {self.median_ms:.1f} ms, p99 {self.p99_ms:.1f} ms"
        )


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


rounds = ROUNDS  # fewer, for a first look


def in_turn(loads: Mapping[str, Load]) -> dict[str, Measured]:
    """The medians for each load, figure by figure.

    All are measured once per round, so noise affects all alike.
    """
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is missing: make bench installs it")
    for load in loads.values():
        load.ask_once()
    taken: dict[str, list[Measured]] = {name: [] for name in loads}
    for _ in range(rounds):
        for name, load in loads.items():
            taken[name].append(load.measure())
    return {name: medians(runs) for name, runs in taken.items()}


def medians(runs: Iterable[Measured]) -> Measured:
    """The median of each figure."""
    return Measured(*map(statistics.median, zip(*map(astuple, runs), strict=True)))
