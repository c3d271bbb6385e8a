"""Runs what time brings for invitations: expiry, overdue room checks, reminders, refusals."""

import logging
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from typing import TypeVar
from uuid import UUID

from sqlalchemy.orm import Session

from identity.bulk_invites import models as bulk_invites
from identity.invitations import schedule
from identity.services import Services

RUN_TIME = 120.0  # seconds, as for a lane: less than the task's time limit
log = logging.getLogger(__name__)

Subject = TypeVar("Subject")


def run_due_tasks(services: Services) -> None:
    """Do everything that is due, each invitation or address in a transaction of its own.

    It is safe to run twice, also at once: what was done is not due any more. What does not fit into
    the time of a run waits for the next.
    """
    ends_at = time.monotonic() + RUN_TIME
    _run_each(services, "expired", schedule.find_expired, schedule.expire, ends_at)
    unasked = partial(schedule.find_unasked, but_not=bulk_invites.select_being_placed())
    order = schedule.order_room_check
    _run_each(services, "to be asked for in their rooms", unasked, order, ends_at)
    remind = partial(schedule.remind, hashes=services.hashes)
    _run_each(services, "reminded of", schedule.find_unanswered, remind, ends_at)
    tell = partial(_tell, services)
    _run_each(services, "told to be unwanted", schedule.find_silent, tell, ends_at)


def _run_each(
    services: Services,
    done: str,
    due: Callable[[Session, datetime], Iterable[Subject]],
    act: Callable[[Session, datetime, Subject], bool],
    ends_at: float,
) -> None:
    with services.database.reading() as session:
        subjects = list(due(session, services.now()))
    count = 0
    for subject in subjects:
        if time.monotonic() > ends_at:
            break
        with services.database.transaction() as session:
            count += act(session, services.now(), subject)
    if count:
        log.info("invitations: %d %s", count, done)


def _tell(services: Services, session: Session, now: datetime, subject: UUID) -> bool:
    return schedule.tell_inviter(session, services.hashes, now, subject)
