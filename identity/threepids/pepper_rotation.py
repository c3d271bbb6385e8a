"""Pepper rotation: hash every association, then announce the new pepper, then end the old one."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from identity.core import journal
from identity.core.journal import Actor

from . import lookup_queries, peppers
from .lookup_queries import Key
from .peppers import Pepper

GRACE = timedelta(hours=1)  # how long the pepper before stays valid
AT_ONCE = 2000  # associations hashed in one transaction
THE_START: Key = ("", "")  # before the first association


def make_first(session: Session, now: datetime) -> None:
    """Create the first pepper if none is in force, and hash the existing associations."""
    if peppers.find_current(session) is not None:
        return
    peppers.lock_peppers(session, alone=True)
    if peppers.find_current(session) is not None:
        return
    made = begin(session, now)
    position: Key | None = THE_START
    while position is not None:
        position = lookup_queries.hash_next(session, made, after=position, most=AT_ONCE)
    peppers.put_in_force(session, now, made, grace=GRACE)


def begin(session: Session, now: datetime) -> Pepper:
    """Create the next pepper, not announced yet, or return that of an interrupted rotation."""
    peppers.lock_peppers(session, alone=True)
    return peppers.find_being_filled(session) or peppers.add(session, now)


def finish(session: Session, now: datetime, pepper: Pepper, who: Actor) -> None:
    """Put the pepper in force; call this once every association is hashed with it."""
    if peppers.put_in_force(session, now, pepper, grace=GRACE):
        subject = f"pepper {pepper.number}"
        journal.write(session, now, who, action="pepper.rotate", subject=subject, facts={})
