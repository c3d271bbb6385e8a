"""Jobs of a lane in batches: prepared together, carried out one by one, settled together."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Protocol

from sqlalchemy import Connection

from identity.bulk_invites.jobs.portions import Portion
from identity.core import reservations
from identity.core.outbox import Job, JobKind
from identity.mail.jobs import batches, sending as mails
from identity.mail.jobs.batches import Handed, Ready
from identity.mail_kinds import kind_of
from identity.services import WorkerServices

MOST: Final = 25  # jobs of a batch
TIME: Final = 1.0  # seconds of handing over, then others may have time for what is left


class CarryOut(Protocol):
    """`tasks.carry_out`."""

    def __call__(
        self, services: WorkerServices, job: Job, *, hand_over: Callable[[], None] | None = None
    ) -> None: ...


class Work(Protocol):
    """What is done with the jobs of one batch. What `prepare` returns has the `job` of each."""

    def prepare(self, reserved: Sequence[Job]) -> Sequence[Any]:
        """Prepare them, as far as nothing hinders them; the others go by themselves."""

    def begin(self, connection: Connection, now: Any, ready: Any, before: Any) -> bool:
        """Begin one, after what was `before`. False if it must not go now."""

    def hand_over(self, ready: Any) -> Any:
        """Carry it out, and return what is to be settled. Raises Later or GiveUp."""

    def settle(self, handed: Sequence[Any]) -> None:
        """Record what was carried out, in one transaction."""

    def close(self) -> None:
        """The batch is over."""


class Mails:
    """Mails, written together."""

    def __init__(self, services: WorkerServices) -> None:
        self._services = services
        self.begin = batches.begin

    def prepare(self, reserved: Sequence[Job]) -> Sequence[Ready]:
        return batches.prepare(self._services, reserved, kind_of=kind_of)

    def hand_over(self, ready: Ready) -> Handed:
        reply = mails.hand_over(
            self._services,
            ready.mail,
            ready.job,
            ready.kind,
            ready.message,
            envelope_from=ready.envelope_from,
        )
        return Handed(ready, reply)

    def settle(self, handed: Sequence[Handed]) -> None:
        batches.settle(self._services, handed)

    def close(self) -> None:
        """Nothing is held open: the mailer is its run's."""


@dataclass
class Pace:
    """How many jobs of a kind this process takes at once: few where the other side is slow."""

    work: Callable[[WorkerServices], Work]
    most: int
    size: int = field(init=False)

    def __post_init__(self) -> None:
        self.size = self.most


PACES: Final[Mapping[JobKind, Pace]] = {
    JobKind.MAIL: Pace(Mails, MOST),
    JobKind.LIST_ROW: Pace(Portion, MOST),
}


def sizes() -> dict[JobKind, int]:
    """How many jobs of each kind are taken at once now."""
    return {kind: pace.size for kind, pace in PACES.items()}


class Batch:
    """Jobs of one kind that this worker has reserved. What it does not come to is given back."""

    def __init__(
        self, services: WorkerServices, reserved: Sequence[Job], *, is_ending: Callable[[], bool]
    ) -> None:
        self._services, self._is_ending = services, is_ending
        self._ends_at = float("inf")
        self._reserved, self._waiting = reserved, list(reserved)
        self._pace = PACES[JobKind(reserved[0].kind)]
        self._work = self._pace.work(services)
        self._handed: list[Any] = []

    def carry_out(self, carry_out: CarryOut) -> None:
        """Carry them out, one at least. Raises StopRun."""
        try:
            self._send_what_is_ready(carry_out)
            for job in list(self._waiting):  # each of them for a reason of its own
                if self._is_over():
                    break
                self._waiting.remove(job)
                with self._services.database.transaction() as session:
                    is_begun = reservations.begin(session, self._services.now(), job)
                if is_begun:
                    carry_out(self._services, job)
        finally:
            done = len(self._reserved) - len(self._waiting)
            if self._waiting:
                self._pace.size = max(done, 1)
                with self._services.database.transaction() as session:
                    reservations.give_back(session, self._waiting)
            elif time.monotonic() < self._ends_at:  # else it would be reserved for nothing
                self._pace.size = min(2 * self._pace.size, self._pace.most)

    def _send_what_is_ready(self, carry_out: CarryOut) -> None:
        ready = self._work.prepare(self._reserved)
        self._ends_at = time.monotonic() + TIME
        try:
            with self._services.database.connected() as connection:
                for each in ready:
                    if self._is_over():
                        break
                    before = self._handed[-1] if self._handed else None
                    if self._work.begin(connection, self._services.now(), each, before):
                        self._waiting.remove(each.job)
                        carry_out(
                            self._services, each.job, hand_over=partial(self._hand_over, each)
                        )
        finally:
            try:
                self._work.close()
            finally:
                self._work.settle(self._handed)

    def _hand_over(self, ready: Any) -> None:
        self._handed.append(self._work.hand_over(ready))

    def _is_over(self) -> bool:
        is_begun = len(self._waiting) < len(self._reserved)
        return self._is_ending() or (is_begun and time.monotonic() >= self._ends_at)
