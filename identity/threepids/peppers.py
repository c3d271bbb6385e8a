"""Peppers, and the hash of every associated address under each of them: what lookups are asked by."""

import base64
import hashlib
import secrets
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import (
    CursorResult,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    delete,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core import inserting
from identity.core.database import Base

# Of PostgreSQL: shared by whoever binds, taken alone by whoever changes which peppers there are.
LOCK = 0x6775_6963_6865_7402
PEPPER_BYTES = 16


class Pepper(Base):
    """One pepper: being filled until it is in force, good until it ends."""

    __tablename__ = "lookup_peppers"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    pepper: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    in_force_at: Mapped[datetime | None]
    ends_at: Mapped[datetime | None]


class LookupHash(Base):
    """One address under one pepper. It goes with its association."""

    __tablename__ = "lookup_hashes"
    __table_args__ = (
        ForeignKeyConstraint(
            ["medium", "address"],
            ["associations.medium", "associations.address"],
            ondelete="CASCADE",
        ),
    )

    # The hash comes first in the key: a thousand of them are found by it alone, whatever the pepper.
    hash: Mapped[str] = mapped_column(primary_key=True)
    pepper_number: Mapped[int] = mapped_column(ForeignKey(Pepper.number), primary_key=True)
    medium: Mapped[str]
    address: Mapped[str]


Index("ix_lookup_hashes_association", LookupHash.medium, LookupHash.address)


def hashed(address: str, medium: str, pepper: str) -> str:
    """As the specification words it: SHA-256 of "address medium pepper", unpadded URL-safe base64."""
    digest = hashlib.sha256(f"{address} {medium} {pepper}".encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def hold(session: Session, *, alone: bool = False) -> None:
    """Until the transaction ends, no pepper comes; alone: and no association either.

    A pepper that came between the two halves of a binding would miss that address for ever.
    SQLite has one writer at a time anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        kind = "" if alone else "_shared"
        session.execute(text(f"select pg_advisory_xact_lock{kind}(:lock)"), {"lock": LOCK})


def current(session: Session) -> Pepper | None:
    """The pepper that clients are told."""
    return session.scalars(
        select(Pepper).where(Pepper.in_force_at.is_not(None), Pepper.ends_at.is_(None))
    ).one_or_none()


def being_filled(session: Session) -> Pepper | None:
    return session.scalars(select(Pepper).where(Pepper.in_force_at.is_(None))).one_or_none()


def add(session: Session, now: datetime) -> Pepper:
    """A pepper that every association from now on is hashed with. Nobody is told of it yet."""
    hold(session, alone=True)
    number = (session.scalar(select(func.max(Pepper.number))) or 0) + 1
    made = Pepper(number=number, pepper=secrets.token_urlsafe(PEPPER_BYTES), created_at=now)
    session.add(made)
    session.flush()
    return made


def put_in_force(session: Session, now: datetime, pepper: Pepper, *, grace: timedelta) -> bool:
    """Clients are told this one; the one before is good for `grace` more. False if somebody did it already."""
    hold(session, alone=True)
    waiting = being_filled(session)
    if waiting is None or waiting.number != pepper.number:
        return False
    session.execute(
        update(Pepper)
        .where(Pepper.in_force_at.is_not(None), Pepper.ends_at.is_(None))
        .values(ends_at=now + grace)
    )
    session.execute(update(Pepper).where(Pepper.number == pepper.number).values(in_force_at=now))
    return True


def write(
    session: Session, medium: str, addresses: Collection[str], among: Sequence[Pepper]
) -> None:
    """The hashes of these addresses; those that are there stay."""
    inserting.several(
        session,
        LookupHash,
        [
            {
                "pepper_number": pepper.number,
                "hash": hashed(address, medium, pepper.pepper),
                "medium": medium,
                "address": address,
            }
            for pepper in among
            for address in addresses
        ],
    )


def follow(session: Session, now: datetime, *, medium: str, address: str) -> None:
    """An association is being written: its hashes stand beside it when it is committed."""
    hold(session)
    living = session.scalars(
        select(Pepper).where(or_(Pepper.ends_at.is_(None), Pepper.ends_at > now))
    )
    write(session, medium, [address], living.all())


def forget_ended(session: Session, now: datetime, *, most: int) -> int:
    """Delete hashes of peppers that have ended, and once none is left the peppers. How many hashes."""
    ended = select(Pepper.number).where(Pepper.ends_at <= now)
    some = select(LookupHash.hash).where(LookupHash.pepper_number.in_(ended)).limit(most)
    gone = session.execute(
        delete(LookupHash).where(LookupHash.pepper_number.in_(ended), LookupHash.hash.in_(some))
    )
    rows = cast("CursorResult[Any]", gone).rowcount
    if rows < most:
        hold(session, alone=True)
        session.execute(delete(LookupHash).where(LookupHash.pepper_number.in_(ended)))
        session.execute(delete(Pepper).where(Pepper.ends_at <= now))
    return rows
