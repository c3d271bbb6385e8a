"""The mails of a lane in batches: written together, handed over one by one, settled together."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Protocol

from identity.core import reservations
from identity.core.outbox import Job
from identity.mail.jobs import batches, sending as mails
from identity.mail.jobs.batches import Handed, Ready
from identity.mail_kinds import kind_of
from identity.services import WorkerServices

MOST: Final = 10  # mails of a batch
TIME: Final = 1.0  # seconds of handing over, then others may have time for what is left


class CarryOut(Protocol):
    """`tasks.carry_out`."""

    def __call__(
        self, services: WorkerServices, job: Job, *, hand_over: Callable[[], None] | None = None
    ) -> None: ...


class Pace:
    """How many mails this process takes at once: few where the relay is slow."""

    def __init__(self) -> None:
        self.size = MOST


PACE: Final = Pace()


class Batch:
    """Mails that this worker has reserved. What it does not come to is given back."""

    def __init__(
        self, services: WorkerServices, reserved: Sequence[Job], *, is_ending: Callable[[], bool]
    ) -> None:
        self._services, self._is_ending = services, is_ending
        self._ends_at = float("inf")
        self._reserved, self._waiting = reserved, list(reserved)
        self._handed: list[Handed] = []

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
                PACE.size = max(done, 1)
                with self._services.database.transaction() as session:
                    reservations.give_back(session, self._waiting)
            elif time.monotonic() < self._ends_at:  # else it would be reserved for nothing
                PACE.size = min(2 * PACE.size, MOST)

    def _send_what_is_ready(self, carry_out: CarryOut) -> None:
        ready = batches.prepare(self._services, self._reserved, kind_of=kind_of)
        self._ends_at = time.monotonic() + TIME
        try:
            with self._services.database.connected() as connection:
                for each in ready:
                    if self._is_over():
                        break
                    before = self._handed[-1] if self._handed else None
                    if batches.begin(connection, self._services.now(), each, before):
                        self._waiting.remove(each.job)
                        carry_out(
                            self._services, each.job, hand_over=partial(self._hand_over, each)
                        )
        finally:
            batches.settle(self._services, self._handed)

    def _hand_over(self, ready: Ready) -> None:
        reply = mails.hand_over(
            self._services,
            ready.mail,
            ready.job,
            ready.kind,
            ready.message,
            envelope_from=ready.envelope_from,
        )
        self._handed.append(Handed(ready, reply))

    def _is_over(self) -> bool:
        is_begun = len(self._waiting) < len(self._reserved)
        return self._is_ending() or (is_begun and time.monotonic() >= self._ends_at)
