"""The signing keys of the service: the newest signs, older ones stay valid for what they signed."""

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from sqlalchemy import inspect, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from identity.core import journal
from identity.core.batches import BATCH, never
from identity.core.database import Database, marked_columns
from identity.core.journal import Actor
from identity.core.sealed_columns import SEALED
from identity.core.sealing import CannotOpen, Vault
from identity.core.signatures import SigningKey, WrongKey, decode_base64, encode_base64, new_key
from identity.problems import Problem

from . import models as stored_keys
from .models import StoredKey


class KeyNameTaken(Problem):
    """Another key has this name already. Nothing was changed."""


@dataclass(frozen=True)
class Resealed:
    """How many secrets were sealed anew, and how many no key here opens."""

    count: int = 0
    closed: int = 0
    is_whole: bool = True
    """Whether every secret was looked at."""

    def __add__(self, other: Self) -> Self:
        return dataclasses.replace(
            self, count=self.count + other.count, closed=self.closed + other.closed
        )


class UnknownKey(LookupError):
    """We have no signing key with this ID."""


def current_key(session: Session, vault: Vault, now: datetime) -> SigningKey:
    """The key that signs; it is made if there is none. Needs a writing transaction."""
    newest = stored_keys.find_newest(session) or _add(session, vault, now, new_key(), first=True)
    # None: another node added the first key just now.
    newest = newest or stored_keys.find_newest(session)
    if newest is None:
        raise UnknownKey
    return _open(vault, newest)


def find_key(session: Session, vault: Vault, key_id: str) -> SigningKey:
    """The key with this ID, old or new. Raises UnknownKey."""
    found = stored_keys.find(session, key_id)
    if found is None:
        raise UnknownKey(key_id)
    return _open(vault, found)


def find_public_key(session: Session, key_id: str) -> str | None:
    """The public half of our key with this ID, or None."""
    found = stored_keys.find(session, key_id)
    return found.public_key if found else None


def is_own_key(session: Session, public: str) -> bool:
    """Whether this is the public half of one of our keys, in base64 or base64url."""
    try:
        return (
            stored_keys.find_by_public_key(session, encode_base64(decode_base64(public)))
            is not None
        )
    except WrongKey:
        return False


def rotate(session: Session, vault: Vault, now: datetime, who: Actor) -> SigningKey:
    """Make a new key, which signs from now on."""
    made = new_key()
    while stored_keys.find(session, made.key_id):
        made = new_key()
    _add(session, vault, now, made)
    journal.write(
        session, now, who, action="keys.rotate", subject=made.key_id, facts=_facts_of(made)
    )
    return made


def import_key(session: Session, vault: Vault, now: datetime, key: SigningKey, who: Actor) -> bool:
    """Import a key, which signs from now on. False if we have it already. Raises KeyNameTaken."""
    if stored_keys.find_by_public_key(session, key.public) is not None:
        return False
    if stored_keys.find(session, key.key_id) is not None:
        raise KeyNameTaken(f"Another key is named {key.key_id} here. Nothing was changed.")
    _add(session, vault, now, key)
    journal.write(session, now, who, action="keys.import", subject=key.key_id, facts=_facts_of(key))
    return True


def reseal(database: Database, vault: Vault, *, until: Callable[[], bool] = never) -> Resealed:
    """Re-seal all columns marked SEALED with the newest storage key, a batch in a transaction each.

    What it sealed already is left as it is, so a run that was killed, or stopped by `until`, is
    gone on with by the next. What no key here opens stays, and is counted.
    """
    done = Resealed()
    for column in marked_columns(SEALED):
        after: Any = None
        while not until():
            with database.transaction() as session:
                batch, after = reseal_batch(session, vault, column, after)
            done += batch
            if after is None:
                break
        else:
            return dataclasses.replace(done, is_whole=False)
    return done


def reseal_batch(
    session: Session, vault: Vault, column: InstrumentedAttribute[Any], after: Any
) -> tuple[Resealed, Any]:
    """Re-seal the next rows after this primary key. Returns the last one; None if none is left."""
    key = inspect(column.class_).primary_key[0]
    query = select(column.class_).where(column.is_not(None)).order_by(key).limit(BATCH)
    # The rows are locked, so that a secret somebody else seals meanwhile is not overwritten.
    locked = query.with_for_update().execution_options(populate_existing=True)
    found = session.scalars(locked if after is None else locked.where(key > after)).all()
    count = closed = 0
    for row in found:
        sealed = getattr(row, column.key)
        if vault.is_newest(sealed):
            continue
        try:
            setattr(row, column.key, vault.seal(vault.open(sealed).get_secret_value()))
            count += 1
        except CannotOpen:
            closed += 1
    session.flush()
    last = inspect(found[-1]).identity[0] if len(found) == BATCH else None
    return Resealed(count, closed), last


def count_sealed_before(session: Session, vault: Vault) -> int:
    """How many secrets an older storage key sealed."""
    return sum(not vault.is_newest(sealed) for sealed in _sealed(session))


def count_closed(session: Session, vault: Vault) -> int:
    """How many secrets none of these storage keys opens."""
    return sum(vault.is_closed(sealed) for sealed in _sealed(session))


def _sealed(session: Session) -> Iterator[str]:
    for column in marked_columns(SEALED):
        query = select(column).where(column.is_not(None))
        yield from session.scalars(query.execution_options(yield_per=BATCH))


def _add(
    session: Session, vault: Vault, now: datetime, key: SigningKey, *, first: bool = False
) -> StoredKey | None:
    return stored_keys.add(
        session,
        now,
        key_id=key.key_id,
        public_key=key.public,
        sealed_seed=vault.seal(key.seed.get_secret_value()),
        first=first,
    )


def _open(vault: Vault, row: StoredKey) -> SigningKey:
    return SigningKey(row.key_id, vault.open(row.sealed_seed))


def _facts_of(key: SigningKey) -> dict[str, str]:
    return {"public_key": key.public}
