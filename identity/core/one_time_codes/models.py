"""The tables of one-time codes: the generations, the wrong tries of the last day, and the alarms.

No digits are stored. Wrong tries are in the database and not in Redis: they are counted in the
transaction that tries the code, so all nodes agree, also while Redis is away.
"""

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    Index,
    UniqueConstraint,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core import advisory_locks, inserting, rows
from identity.core.database import Base
from identity.core.personal_data import ADDRESS

NOBODY = ""  # no browser has this id


class Purpose(StrEnum):
    """What a code is for. A code for one purpose is never right for another."""

    SIGN_UP = "sign_up"
    CLIENT = "client"  # a validation session of a Matrix client
    INVITATION = "invitation"
    LISTS = "lists"  # signing in to send bulk invites
    OPERATORS = "operators"  # signing in to the console
    DOMAIN = "domain"  # asking for one's domain to be opened


class OneTimeCode(Base):
    """One generation of a code. `subject`: an address, or the sid of a validation session.

    The row is written when the first mail with this code is about to leave.
    """

    __tablename__ = "one_time_codes"
    __table_args__ = (UniqueConstraint("purpose", "subject", "generation"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    purpose: Mapped[str]
    subject: Mapped[str] = mapped_column(info=ADDRESS)
    generation: Mapped[int] = mapped_column(BigInteger)
    digits: Mapped[int]
    key_id: Mapped[str | None]  # the link key; None: no mail carries it, no code is right
    alive_until: Mapped[datetime]
    wrong: Mapped[int] = mapped_column(default=0)  # wrong tries without the link of the mail
    wrong_held: Mapped[int] = mapped_column(default=0)  # wrong tries with it
    used_at: Mapped[datetime | None]
    used_by: Mapped[str | None]  # hash of the id of the browser it confirmed


class WrongTry(Base):
    """One wrong code. Fields that do not limit this try are empty: the address, or the networks."""

    __tablename__ = "wrong_code_tries"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    at: Mapped[datetime]
    purpose: Mapped[str]
    address: Mapped[str] = mapped_column(info=ADDRESS)
    near: Mapped[str]  # keyed hash of the /24 or /64, or of a shared network
    far: Mapped[str]  # keyed hash of the /16 or /48
    guessed_digits: Mapped[int]  # length of a code tried without its mail; 0 with it


Index("ix_wrong_code_tries_purpose", WrongTry.purpose, WrongTry.at)
Index("ix_wrong_code_tries_address", WrongTry.address, WrongTry.at)
Index("ix_wrong_code_tries_near", WrongTry.near, WrongTry.at)
Index("ix_wrong_code_tries_far", WrongTry.far, WrongTry.at)


class CodeAlarm(Base):
    """Until when codes for a purpose are longer, because somebody guesses."""

    __tablename__ = "code_alarms"

    purpose: Mapped[str] = mapped_column(primary_key=True)
    until: Mapped[datetime]


def find_newest(session: Session, purpose: Purpose, subject: str) -> OneTimeCode | None:
    """The newest generation, valid or not."""
    return session.scalar(
        select(OneTimeCode)
        .where(OneTimeCode.purpose == purpose, OneTimeCode.subject == subject)
        .order_by(OneTimeCode.generation.desc())
        .limit(1)
        .execution_options(populate_existing=True)
    )


def find_newest_of(
    session: Session, purpose: Purpose, subjects: Collection[str]
) -> dict[str, OneTimeCode]:
    """The newest generation of each of these subjects that has one, valid or not."""
    found = session.scalars(
        select(OneTimeCode)
        .where(OneTimeCode.purpose == purpose, OneTimeCode.subject.in_(subjects))
        .order_by(OneTimeCode.generation)
        .execution_options(populate_existing=True)
    )
    return {code.subject: code for code in found}


def find_alive_since(
    session: Session, purpose: Purpose, subject: str, since: datetime
) -> Sequence[OneTimeCode]:
    """The generations that were valid at `since` or later, newest first."""
    return session.scalars(
        select(OneTimeCode)
        .where(
            OneTimeCode.purpose == purpose,
            OneTimeCode.subject == subject,
            OneTimeCode.alive_until > since,
        )
        .order_by(OneTimeCode.generation.desc())
        .execution_options(populate_existing=True)
    ).all()


def take_try(session: Session, code: OneTimeCode, *, held: bool, allowed: int) -> int | None:
    """Use up one of `allowed` tries. Return how many are left, None if there was none.

    One UPDATE that counts in the database: fifty requests at once use up five tries together.
    """
    column = OneTimeCode.wrong_held if held else OneTimeCode.wrong
    taken = session.scalar(
        update(OneTimeCode)
        .where(OneTimeCode.id == code.id, column < allowed)
        .values({column: column + 1})
        .returning(column)
        .execution_options(synchronize_session=False)
    )
    return None if taken is None else allowed - taken


def mark_used(session: Session, code: OneTimeCode, now: datetime, by: str) -> bool:
    """Mark a code as used by a browser. False if it has confirmed another one before."""
    is_free = OneTimeCode.used_by.is_(None) | (OneTimeCode.used_by == by)
    used_at = func.coalesce(OneTimeCode.used_at, now)
    return (
        rows.update(
            session, OneTimeCode, OneTimeCode.id == code.id, is_free, used_by=by, used_at=used_at
        )
        > 0
    )


def end_used_codes(session: Session, purpose: Purpose, subject: str) -> None:
    """Make the used codes of a subject useless, also for the browsers that used them."""
    own = (OneTimeCode.purpose == purpose) & (OneTimeCode.subject == subject)
    rows.update(session, OneTimeCode, own, OneTimeCode.used_by.is_not(None), used_by=NOBODY)


def find_used_by(
    session: Session, subject: str, browser: str, *, since: datetime
) -> Sequence[OneTimeCode]:
    """The codes, for any purpose, that confirmed this browser since then."""
    return session.scalars(
        select(OneTimeCode).where(
            OneTimeCode.subject == subject,
            OneTimeCode.used_by == browser,
            OneTimeCode.used_at >= since,
        )
    ).all()


def move_to_browser(session: Session, *, old: str, new: str) -> None:
    """Give the codes that confirmed a browser to its new id, when its cookie is renewed."""
    rows.update(session, OneTimeCode, OneTimeCode.used_by == old, used_by=new)


def count_wrong(session: Session, since: datetime, **facts: str | int) -> int:
    """Count the wrong codes since then that have these values in columns of `WrongTry`."""
    query = select(func.count()).select_from(WrongTry).where(WrongTry.at > since)
    return session.scalar(query.filter_by(**facts)) or 0


def unlock(session: Session, now: datetime, subjects: Collection[str]) -> int:
    """Give the codes of these subjects all their tries again. Returns how many codes had fewer.

    Tries go on counting for the networks that they came from, and for all together.
    """
    used = or_(OneTimeCode.wrong > 0, OneTimeCode.wrong_held > 0)
    own = (OneTimeCode.subject.in_(subjects), OneTimeCode.alive_until > now, used)
    count = rows.update(session, OneTimeCode, *own, wrong=0, wrong_held=0)
    tried = rows.update(session, WrongTry, WrongTry.address.in_(subjects), address="")
    return count or min(tried, 1)


def alarm_ends_at(session: Session, purpose: Purpose) -> datetime | None:
    """When the last alarm for this purpose ends, or ended; None if there was none."""
    return session.scalar(select(CodeAlarm.until).where(CodeAlarm.purpose == purpose))


def raise_alarm(session: Session, purpose: Purpose, until: datetime) -> None:
    """Record that codes for this purpose are being guessed, until then."""
    row = {"purpose": purpose, "until": until}
    if not inserting.insert_if_new(session, CodeAlarm, row):
        session.execute(
            update(CodeAlarm)
            .where(CodeAlarm.purpose == purpose)
            .values(until=until)
            .execution_options(synchronize_session=False)
        )


def lock(session: Session, keys: Collection[str]) -> None:
    """Count one try at a time for each key. Keys are locked in one order, so there is no deadlock."""
    advisory_locks.take(session, [f"code:{key}" for key in sorted(filter(None, keys))])


def forget(session: Session, *, tries_before: datetime, codes_before: datetime, limit: int) -> int:
    """Delete tries made, and codes that ended, before then, at most so many rows.

    Return the number of rows.
    """
    gone = rows.delete(session, WrongTry, WrongTry.at < tries_before, limit=limit)
    old = OneTimeCode.alive_until < codes_before
    return gone + rows.delete(session, OneTimeCode, old, limit=limit - gone)
