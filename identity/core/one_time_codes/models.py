"""One-time codes: which generation is in force, which key made it, and every wrong try of the last day.

No digits are stored. Wrong tries stand in the database, not in the store of the rate limits: they are
counted in the transaction that tries the code, so all nodes agree, and counting goes on while Redis is away.
"""

import uuid
from collections.abc import Collection
from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, Index, UniqueConstraint, cast, delete, func, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core import inserting
from identity.core.database import Base

NOBODY = ""  # no browser has this name


class Purpose(StrEnum):
    """What a code is for. The code of one purpose is never right for another."""

    SIGN_UP = "sign_up"
    CLIENT = "client"  # what a Matrix client wants proved
    INVITATION = "invitation"
    LISTS = "lists"


class OneTimeCode(Base):
    """One generation of the code of one subject: an address, or the sid of a validation session.

    It is made when the first mail that carries it is about to leave.
    """

    __tablename__ = "one_time_codes"
    __table_args__ = (UniqueConstraint("purpose", "subject", "generation"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    purpose: Mapped[str]
    subject: Mapped[str]
    generation: Mapped[int] = mapped_column(BigInteger)
    digits: Mapped[int]
    key_id: Mapped[str | None]  # which key made it; None: no mail carried it, so nothing is right
    alive_until: Mapped[datetime]
    wrong: Mapped[int] = mapped_column(default=0)  # tries without the mailed link
    wrong_held: Mapped[int] = mapped_column(default=0)  # tries with it
    used_at: Mapped[datetime | None]
    used_by: Mapped[str | None]  # the browser that it confirmed, as the rows know it


class WrongTry(Base):
    """One wrong code. What does not limit this try is empty: the address, or the networks."""

    __tablename__ = "wrong_code_tries"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    at: Mapped[datetime]
    purpose: Mapped[str]
    address: Mapped[str]
    near: Mapped[str]  # keyed hash of the /24 or /64, or of a shared network
    far: Mapped[str]  # keyed hash of the /16 or /48
    guessed_digits: Mapped[int]  # of a code tried without its mail; 0 for who holds the mail


Index("ix_wrong_code_tries_purpose", WrongTry.purpose, WrongTry.at)
Index("ix_wrong_code_tries_address", WrongTry.address, WrongTry.at)
Index("ix_wrong_code_tries_near", WrongTry.near, WrongTry.at)
Index("ix_wrong_code_tries_far", WrongTry.far, WrongTry.at)


class CodeAlarm(Base):
    """Until when the codes of a purpose are being guessed at, for all that is known."""

    __tablename__ = "code_alarms"

    purpose: Mapped[str] = mapped_column(primary_key=True)
    until: Mapped[datetime]


def newest(session: Session, purpose: Purpose, subject: str) -> OneTimeCode | None:
    """The newest generation, in force or not."""
    return session.scalars(
        select(OneTimeCode)
        .where(OneTimeCode.purpose == purpose, OneTimeCode.subject == subject)
        .order_by(OneTimeCode.generation.desc())
        .limit(1)
        .execution_options(populate_existing=True)
    ).one_or_none()


def mailed_since(
    session: Session, purpose: Purpose, subject: str, since: datetime
) -> list[OneTimeCode]:
    """The generations that were alive at `since` or later, newest first."""
    return list(
        session.scalars(
            select(OneTimeCode)
            .where(
                OneTimeCode.purpose == purpose,
                OneTimeCode.subject == subject,
                OneTimeCode.alive_until > since,
            )
            .order_by(OneTimeCode.generation.desc())
            .execution_options(populate_existing=True)
        )
    )


def count_wrong(session: Session, code: OneTimeCode, *, held: bool, allowed: int) -> int | None:
    """Take one of the tries. How many are left after it; None if there was none to take.

    One statement, counted in the database: fifty at once take five between them.
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


def use(session: Session, code: OneTimeCode, now: datetime, by: str) -> bool:
    """A code confirms one browser. False: it has confirmed another."""
    won = session.scalar(
        update(OneTimeCode)
        .where(
            OneTimeCode.id == code.id,
            OneTimeCode.used_by.is_(None) | (OneTimeCode.used_by == by),
        )
        .values(used_by=by, used_at=func.coalesce(OneTimeCode.used_at, now))
        .returning(OneTimeCode.id)
        .execution_options(synchronize_session=False)
    )
    return won is not None


def end_used(session: Session, purpose: Purpose, subject: str) -> None:
    """Who has used a code goes on with it no more, nor does anybody else."""
    session.execute(
        update(OneTimeCode)
        .where(
            OneTimeCode.purpose == purpose,
            OneTimeCode.subject == subject,
            OneTimeCode.used_by.is_not(None),
        )
        .values(used_by=NOBODY)
        .execution_options(synchronize_session=False)
    )


def used_by(session: Session, subject: str, browser: str, *, since: datetime) -> list[OneTimeCode]:
    """The codes, of whatever purpose, that confirmed this browser since then."""
    return list(
        session.scalars(
            select(OneTimeCode).where(
                OneTimeCode.subject == subject,
                OneTimeCode.used_by == browser,
                OneTimeCode.used_at >= since,
            )
        )
    )


def follow_browser(session: Session, *, old: str, new: str) -> None:
    """A renewed cookie: what confirmed the browser goes on to."""
    session.execute(
        update(OneTimeCode)
        .where(OneTimeCode.used_by == old)
        .values(used_by=new)
        .execution_options(synchronize_session=False)
    )


def wrong_for_address(session: Session, address: str, since: datetime) -> int:
    """Wrong codes that were guessed for an address, for whatever purpose."""
    return _count(session, WrongTry.address == address, WrongTry.at > since)


def wrong_near(session: Session, near: str, since: datetime) -> int:
    """Wrong codes from a /24, a /64 or a shared network."""
    return _count(session, WrongTry.near == near, WrongTry.at > since)


def wrong_far(session: Session, far: str, since: datetime) -> int:
    """Wrong codes from a /16 or a /48."""
    return _count(session, WrongTry.far == far, WrongTry.at > since)


def wrong_in_all(session: Session, purpose: Purpose, since: datetime) -> int:
    """Wrong codes for one purpose."""
    return _count(session, WrongTry.purpose == purpose, WrongTry.at > since)


def guesses(session: Session, purpose: Purpose, digits: int, since: datetime) -> int:
    """Wrong codes of one length that were tried without their mail."""
    return _count(
        session,
        WrongTry.purpose == purpose,
        WrongTry.at > since,
        WrongTry.guessed_digits == digits,
    )


def alarm_until(session: Session, purpose: Purpose) -> datetime | None:
    """Until when the last alarm of this purpose holds, or held."""
    return session.scalar(select(CodeAlarm.until).where(CodeAlarm.purpose == purpose))


def raise_alarm(session: Session, purpose: Purpose, until: datetime) -> None:
    """Note that codes of this purpose are being guessed at."""
    row = {"purpose": purpose, "until": until}
    if not inserting.insert_if_new(session, CodeAlarm, row):
        session.execute(
            update(CodeAlarm)
            .where(CodeAlarm.purpose == purpose)
            .values(until=until)
            .execution_options(synchronize_session=False)
        )


def lock(session: Session, keys: Collection[str]) -> None:
    """Let one try at a time be counted for each of these, taken in one order so that nobody waits in a circle.

    On SQLite a writing transaction is alone anyway.
    """
    if session.get_bind().dialect.name != "postgresql":
        return
    for key in sorted(filter(None, keys)):
        session.execute(
            select(func.pg_advisory_xact_lock(cast(func.hashtext(f"code:{key}"), BigInteger)))
        )


def forget(session: Session, *, tries_before: datetime, codes_before: datetime) -> int:
    """Delete tries made, and codes that ended, before then. How many rows that were."""
    gone = session.execute(
        delete(WrongTry).where(WrongTry.at < tries_before).returning(WrongTry.id)
    ).all()
    ended = session.execute(
        delete(OneTimeCode).where(OneTimeCode.alive_until < codes_before).returning(OneTimeCode.id)
    ).all()
    return len(gone) + len(ended)


def _count(session: Session, *which: object) -> int:
    return session.scalar(select(func.count()).select_from(WrongTry).where(*which)) or 0  # type: ignore[arg-type]  # column expressions
