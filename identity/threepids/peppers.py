"""Peppers of lookup, and the hash of every associated address with each of them."""

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
    Select,
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
from identity.core.node_epoch import CHANGE_ENDS
from identity.core.personal_data import ADDRESS, HASH

# A PostgreSQL advisory lock: shared while binding, exclusive while the set of peppers changes.
LOCK = 0x6775_6963_6865_7402
PEPPER_BYTES = 16


class Pepper(Base):
    """One pepper: hashes are added until it is put in force; it is valid until it ends."""

    __tablename__ = "lookup_peppers"
    __table_args__ = CHANGE_ENDS

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    pepper: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    in_force_at: Mapped[datetime | None]
    ends_at: Mapped[datetime | None]


IN_FORCE = (Pepper.in_force_at.is_not(None), Pepper.ends_at.is_(None))
"""Which pepper clients are told."""


class LookupHash(Base):
    """The hash of one address with one pepper. It is deleted with the association."""

    __tablename__ = "lookup_hashes"
    __table_args__ = (
        ForeignKeyConstraint(
            ["medium", "address"],
            ["associations.medium", "associations.address"],
            ondelete="CASCADE",
        ),
    )

    # First in the key, so that hashes are found by it alone, whatever the pepper.
    hash: Mapped[str] = mapped_column(primary_key=True, info=HASH)
    pepper_number: Mapped[int] = mapped_column(ForeignKey(Pepper.number), primary_key=True)
    medium: Mapped[str]
    address: Mapped[str] = mapped_column(info=ADDRESS)


Index("ix_lookup_hashes_association", LookupHash.medium, LookupHash.address)


def hash_address(address: str, medium: str, pepper: str) -> str:
    """SHA-256 of "address medium pepper" in unpadded URL-safe base64.

    Identity Service API v2, "Association lookup", algorithm sha256.
    """
    digest = hashlib.sha256(f"{address} {medium} {pepper}".encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def lock_peppers(session: Session, *, alone: bool = False) -> None:
    """Let nobody add a pepper until the transaction ends; `alone`: nor an association.

    A pepper added in the middle of a bind would never get a hash of that address.
    SQLite has one writer at a time anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        kind = "" if alone else "_shared"
        session.execute(text(f"select pg_advisory_xact_lock{kind}(:lock)"), {"lock": LOCK})


def find_current(session: Session) -> Pepper | None:
    """The pepper in force, which clients are told."""
    return session.scalars(select(Pepper).where(*IN_FORCE)).one_or_none()


def current() -> Select[str]:
    """Selects the pepper in force."""
    return select(Pepper.pepper).where(*IN_FORCE)


def find_being_filled(session: Session) -> Pepper | None:
    return session.scalars(select(Pepper).where(Pepper.in_force_at.is_(None))).one_or_none()


def add(session: Session, now: datetime) -> Pepper:
    """Add a pepper: new associations are hashed with it from now on. It is not announced yet."""
    lock_peppers(session, alone=True)
    number = (session.scalar(select(func.max(Pepper.number))) or 0) + 1
    made = Pepper(number=number, pepper=secrets.token_urlsafe(PEPPER_BYTES), created_at=now)
    session.add(made)
    session.flush()
    return made


def put_in_force(session: Session, now: datetime, pepper: Pepper, *, grace: timedelta) -> bool:
    """Announce this pepper; the one before stays valid for `grace`. False if done already."""
    lock_peppers(session, alone=True)
    waiting = find_being_filled(session)
    if waiting is None or waiting.number != pepper.number:
        return False
    session.execute(
        update(Pepper)
        .where(Pepper.in_force_at.is_not(None), Pepper.ends_at.is_(None))
        .values(ends_at=now + grace)
    )
    session.execute(update(Pepper).where(Pepper.number == pepper.number).values(in_force_at=now))
    return True


def add_hashes(
    session: Session, medium: str, addresses: Collection[str], among: Sequence[Pepper]
) -> None:
    """Add the hashes of these addresses with these peppers, where missing."""
    inserting.insert_missing(
        session,
        LookupHash,
        [
            {
                "pepper_number": pepper.number,
                "hash": hash_address(address, medium, pepper.pepper),
                "medium": medium,
                "address": address,
            }
            for pepper in among
            for address in addresses
        ],
    )


def hash_association(session: Session, now: datetime, *, medium: str, address: str) -> None:
    """Add the hashes of an address in the transaction that associates it."""
    lock_peppers(session)
    living = session.scalars(
        select(Pepper).where(or_(Pepper.ends_at.is_(None), Pepper.ends_at > now))
    )
    add_hashes(session, medium, [address], living.all())


def forget_ended(session: Session, now: datetime, *, most: int) -> int:
    """Delete hashes of ended peppers, at last the peppers too. Returns how many hashes."""
    ended = select(Pepper.number).where(Pepper.ends_at <= now)
    some = select(LookupHash.hash).where(LookupHash.pepper_number.in_(ended)).limit(most)
    gone = session.execute(
        delete(LookupHash).where(LookupHash.pepper_number.in_(ended), LookupHash.hash.in_(some))
    )
    rows = cast("CursorResult[Any]", gone).rowcount
    if rows < most:
        lock_peppers(session, alone=True)
        session.execute(delete(LookupHash).where(LookupHash.pepper_number.in_(ended)))
        session.execute(delete(Pepper).where(Pepper.ends_at <= now))
    return rows
