"""The jobs of invitations one after the other, each subject in a transaction of its own."""

import logging
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from typing import TypeVar
from uuid import UUID

from sqlalchemy.orm import Session

from identity.bulk_invites import models as bulk_invites
from identity.invitations import schedule as invitation_calendar
from identity.services import Wiring

RUN_TIME = 120.0  # seconds, as of a lane: below what ends a task by force
log = logging.getLogger(__name__)

Subject = TypeVar("Subject")


def keep(wired: Wiring) -> None:
    """Safe twice, also at once: what was done is not due any more. What time does not suffice for waits."""
    ends_at = time.monotonic() + RUN_TIME
    calendar = invitation_calendar
    _each(wired, "expired", calendar.expired, calendar.expire, ends_at)
    unasked = partial(calendar.unasked, but_not=bulk_invites.being_placed())
    _each(wired, "to be asked for in their rooms", unasked, calendar.ask, ends_at)
    remind = partial(calendar.remind, hashes=wired.hashes)
    _each(wired, "reminded of", calendar.unanswered, remind, ends_at)
    _each(wired, "told to be unwanted", calendar.silent, partial(_tell, wired), ends_at)


def _each(
    wired: Wiring,
    done: str,
    due: Callable[[Session, datetime], Iterable[Subject]],
    act: Callable[[Session, datetime, Subject], bool],
    ends_at: float,
) -> None:
    with wired.database.reading() as session:
        subjects = list(due(session, wired.now()))
    count = 0
    for subject in subjects:
        if time.monotonic() > ends_at:
            break
        with wired.database.transaction() as session:
            count += act(session, wired.now(), subject)
    if count:
        log.info("invitations: %d %s", count, done)


def _tell(wired: Wiring, session: Session, now: datetime, subject: UUID) -> bool:
    return invitation_calendar.tell_inviter(session, wired.hashes, now, subject)
