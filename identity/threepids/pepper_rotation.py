"""Another pepper, while lookups go on: first every hash is made, then clients are told, then the old one ends."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from identity.core import journal
from identity.core.journal import Who

from . import lookup_queries as lookup
from . import peppers
from .lookup_queries import Key
from .peppers import Pepper

GRACE = timedelta(hours=1)  # for clients that asked for the pepper just before
AT_ONCE = 2000  # associations hashed in one transaction
THE_START: Key = ("", "")


def make_first(session: Session, now: datetime) -> None:
    """The pepper of a service that has none in force yet, with a hash of whatever is bound already."""
    if peppers.current(session) is not None:
        return
    peppers.hold(session, alone=True)
    if peppers.current(session) is not None:
        return
    made = begin(session, now)
    where: Key | None = THE_START
    while where is not None:
        where = lookup.fill(session, made, after=where, most=AT_ONCE)
    peppers.put_in_force(session, now, made, grace=GRACE)


def begin(session: Session, now: datetime) -> Pepper:
    """The next pepper, which nobody is told of yet; the one of a rotation that was interrupted, if there is one."""
    peppers.hold(session, alone=True)
    return peppers.being_filled(session) or peppers.add(session, now)


def finish(session: Session, now: datetime, pepper: Pepper, who: Who) -> None:
    """Every association has its hash: clients are told this pepper from now on."""
    if peppers.put_in_force(session, now, pepper, grace=GRACE):
        subject = f"pepper {pepper.number}"
        journal.write(session, now, who, action="pepper.rotate", subject=subject, facts={})
