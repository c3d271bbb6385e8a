"""What a backup needs beside the database, and whether the keys at hand open what is stored."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute, Session

from identity.core.database import marked_columns
from identity.core.sealed_columns import SEALED
from identity.core.sealing import CannotOpen, PrivateHalves, Vault
from identity.homeservers import models as homeservers, secrets as homeserver_secrets

TRIED = 200  # values of each column; keys change for all of them at once


@dataclass(frozen=True)
class Opened:
    """Of so many sealed values of a kind that were tried, how many no key at hand opens."""

    what: str
    tried: int
    closed: int


def try_keys(session: Session, vault: Vault, halves: PrivateHalves | None) -> Iterator[Opened]:
    """Try the storage keys, and where they are at hand the worker's, on what is stored."""
    for column in marked_columns(SEALED):
        yield _try_column(session, column, vault)
    if halves is not None:
        yield _try_homeservers(session, vault, halves)


def made_at(file: Path) -> datetime:
    """When the file of a backup was last written. Raises OSError, ValueError if it is empty."""
    found = file.stat()
    if not found.st_size:
        raise ValueError(f"{file} is empty")
    return datetime.fromtimestamp(found.st_mtime, UTC)


def _try_column(session: Session, column: InstrumentedAttribute[str], vault: Vault) -> Opened:
    sealed = session.scalars(select(column).where(column.is_not(None)).limit(TRIED)).all()
    closed = 0
    for each in sealed:
        try:
            vault.open(each)
        except CannotOpen:
            closed += 1
    return Opened(f"{column.class_.__tablename__}.{column.key}", len(sealed), closed)


def _try_homeservers(session: Session, vault: Vault, halves: PrivateHalves) -> Opened:
    tried = closed = 0
    for homeserver in homeservers.find_all(session):
        for field in homeserver_secrets.FIELDS:
            if getattr(homeserver, field) is None:
                continue
            tried += 1
            try:
                homeserver_secrets.open_secret(vault, halves, homeserver, field)
            except CannotOpen:
                closed += 1
    return Opened("secrets of homeservers", tried, closed)
