"""The service signs with its newest key; older ones stay, for what they signed."""

from datetime import datetime

from sqlalchemy.orm import Session

from identity.core import journal
from identity.core.journal import Who
from identity.core.sealing import Vault
from identity.core.signatures import SigningKey, WrongKey, decoded, encoded, new_key
from identity.problems import Problem

from . import models as signing_keys
from .models import StoredKey


class KeyNameTaken(Problem):
    """Another key has this name already. Nothing was changed."""


class UnknownKey(LookupError):
    """No key of this name is here."""


def current(session: Session, vault: Vault, now: datetime) -> SigningKey:
    """The key that signs; made on first need. In a writing transaction."""
    newest = signing_keys.newest(session) or _add(session, vault, now, new_key(), first=True)
    # None: another node was faster, and its key is the one.
    newest = newest or signing_keys.newest(session)
    if newest is None:
        raise UnknownKey
    return _opened(vault, newest)


def of_id(session: Session, vault: Vault, key_id: str) -> SigningKey:
    """One key, old or new. Raises UnknownKey."""
    found = signing_keys.find(session, key_id)
    if found is None:
        raise UnknownKey(key_id)
    return _opened(vault, found)


def public_key(session: Session, key_id: str) -> str | None:
    """The public half of a key of ours, or None."""
    found = signing_keys.find(session, key_id)
    return found.public_key if found else None


def is_valid(session: Session, public: str) -> bool:
    """Whether this is a key of ours, in whichever base64 it is written."""
    try:
        return signing_keys.of_public(session, encoded(decoded(public))) is not None
    except WrongKey:
        return False


def rotate(session: Session, vault: Vault, now: datetime, who: Who) -> SigningKey:
    """A new key signs from now on."""
    made = new_key()
    while signing_keys.find(session, made.key_id):
        made = new_key()
    _add(session, vault, now, made)
    journal.write(session, now, who, action="keys.rotate", subject=made.key_id, facts=_told(made))
    return made


def bring_in(session: Session, vault: Vault, now: datetime, key: SigningKey, who: Who) -> bool:
    """Take over a key from elsewhere, which signs from now on. False if it was here; raises KeyNameTaken."""
    if signing_keys.of_public(session, key.public) is not None:
        return False
    if signing_keys.find(session, key.key_id) is not None:
        raise KeyNameTaken(f"Another key is named {key.key_id} here. Nothing was changed.")
    _add(session, vault, now, key)
    journal.write(session, now, who, action="keys.import", subject=key.key_id, facts=_told(key))
    return True


def _add(
    session: Session, vault: Vault, now: datetime, key: SigningKey, *, first: bool = False
) -> StoredKey | None:
    return signing_keys.add(
        session,
        now,
        key_id=key.key_id,
        public_key=key.public,
        sealed_seed=vault.seal(key.seed.get_secret_value()),
        first=first,
    )


def _opened(vault: Vault, row: StoredKey) -> SigningKey:
    return SigningKey(row.key_id, vault.open(row.sealed_seed))


def _told(key: SigningKey) -> dict[str, str]:
    return {"public_key": key.public}
