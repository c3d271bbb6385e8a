"""How much is asked for at once: by one mailbox, and for the domains of one owner."""

from datetime import datetime, timedelta
from math import ceil
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from identity.core.database import limits_count
from identity.core.paging import count_up_to
from identity.problems import TooManyRequests

from .models import UNDECIDED, DomainRequest, DomainRequester

DAY: Final = timedelta(days=1)
MAX_A_DAY: Final = 5  # requests of one mailbox
MAX_OF_OWNER: Final = 200  # people who wait for domains of one registrable domain


def check_mailbox(session: Session, now: datetime, mailbox: str) -> None:
    """Raises TooManyRequests: this mailbox asked five times within a day."""
    if not limits_count(session):
        return
    times = session.scalars(
        select(DomainRequester.created_at)
        .where(DomainRequester.mailbox == mailbox, DomainRequester.created_at > now - DAY)
        .order_by(DomainRequester.created_at)
    ).all()
    if len(times) >= MAX_A_DAY:
        raise TooManyRequests(ceil((times[-MAX_A_DAY] + DAY - now).total_seconds()))


def is_full(session: Session, owner: str) -> bool:
    """Whether so many people wait for domains of this owner that only their number grows."""
    waiting = (DomainRequest.owner == owner, DomainRequest.state.in_(UNDECIDED))
    ids = select(DomainRequest.id).where(*waiting)
    most = MAX_OF_OWNER - 1
    return count_up_to(session, DomainRequester.request_id.in_(ids), most=most) > most
