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
from identity.services import Services

RUN_TIME = 120.0  # seconds, as of a lane: below what ends a task by force
log = logging.getLogger(__name__)

Subject = TypeVar("Subject")


def do_what_is_due(services: Services) -> None:
    """Safe twice, also at once: what was done is not due any more. What time does not suffice for waits."""
    ends_at = time.monotonic() + RUN_TIME
    calendar = invitation_calendar
    _each(services, "expired", calendar.expired, calendar.expire, ends_at)
    unasked = partial(calendar.unasked, but_not=bulk_invites.being_placed())
    _each(services, "to be asked for in their rooms", unasked, calendar.ask, ends_at)
    remind = partial(calendar.remind, hashes=services.hashes)
    _each(services, "reminded of", calendar.unanswered, remind, ends_at)
    _each(services, "told to be unwanted", calendar.silent, partial(_tell, services), ends_at)


def _each(
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
    return invitation_calendar.tell_inviter(session, services.hashes, now, subject)
