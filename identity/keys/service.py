"""The signing keys of the service: the newest signs, older ones stay valid for what they signed."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from identity.core import journal
from identity.core.database import marked_columns
from identity.core.journal import Actor
from identity.core.sealing import SEALED, Vault
from identity.core.signatures import SigningKey, WrongKey, decode_base64, encode_base64, new_key
from identity.problems import Problem

from . import models as stored_keys
from .models import StoredKey


class KeyNameTaken(Problem):
    """Another key has this name already. Nothing was changed."""


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


def reseal(session: Session, vault: Vault) -> int:
    """Re-seal all columns marked SEALED with the newest storage key: older ones can be removed then.

    Return the number of secrets. Raises CannotOpen and changes nothing if a storage key is missing.
    """
    count = 0
    for column in marked_columns(SEALED):
        # The rows are locked, so that a secret somebody else seals meanwhile is not overwritten.
        sealed = select(column.class_).where(column.is_not(None)).with_for_update()
        for row in session.scalars(sealed.execution_options(populate_existing=True)):
            secret = vault.open(getattr(row, column.key)).get_secret_value()
            setattr(row, column.key, vault.seal(secret))
            count += 1
    return count


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
