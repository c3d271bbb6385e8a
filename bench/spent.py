"""What a call costs: processor time of this process and of PostgreSQL, statements, and its log."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, event, text

from tests.services.children import children_of

ROUNDS = 5


@dataclass(frozen=True)
class Spent:
    """Of one call: milliseconds elapsed, of this process, and of PostgreSQL's; statements; bytes of WAL."""

    elapsed: float
    here: float
    database: float
    statements: float
    wal: float

    def __str__(self) -> str:
        return (
            f"{self.elapsed:.2f} ms, of the processor {self.here:.2f} here and {self.database:.2f} in"
            f" PostgreSQL, {self.statements:.0f} statements, {self.wal / 1024:.1f} KiB of WAL"
        )


class Meter:
    """Measures calls that use this engine. `server`: the process id of its PostgreSQL."""

    def __init__(self, engine: Engine, server: int) -> None:
        self._engine, self._server, self._sent = engine, server, 0
        event.listen(engine, "before_cursor_execute", self._count)

    def measure(self, act: Callable[[], object], times: int, rounds: int = ROUNDS) -> Spent:
        """The median of the rounds, each of so many calls after one that does not count."""
        act()
        found = [self._round(act, times) for _ in range(rounds)]
        return Spent(*(statistics.median(each) for each in zip(*found, strict=True)))

    def once(self, act: Callable[[], object]) -> Spent:
        """Of one call, the first."""
        return Spent(*self._round(act, 1))

    def _round(self, act: Callable[[], object], times: int) -> tuple[float, ...]:
        wal, sent, database = self._wal(), self._sent, self._database()
        here, began = time.process_time(), time.perf_counter()
        for _ in range(times):
            act()
        elapsed, here = time.perf_counter() - began, time.process_time() - here
        database = self._database() - database
        sent = self._sent - sent
        spent = (elapsed * 1e3, here * 1e3, database * 1e3, sent, self._wal() - wal)
        return tuple(each / times for each in spent)

    def _database(self) -> float:
        """Seconds of processor time of all connections and helpers."""
        used = 0
        for pid in children_of(self._server):
            used += int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])
        return used / 1e9

    def _wal(self) -> int:
        # Not through the pool: a connection of its own would be counted with the calls.
        with self._engine.connect() as connection:
            found = connection.scalar(text("select pg_current_wal_insert_lsn() - '0/0'::pg_lsn"))
        self._sent -= 1
        return int(found)

    def _count(self, *_told: object) -> None:
        self._sent += 1
