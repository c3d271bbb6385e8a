"""Secrets of homeservers, sealed so that only the worker can open them.

Each is sealed for one homeserver at one URL: if the URL in the database is changed, it does not
open.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Literal

from pydantic import SecretStr
from sqlalchemy.orm import Session

from identity.core import journal
from identity.core.journal import Actor
from identity.core.sealing import PrivateHalves, PublicHalf, Vault, is_boxed, key_id_of

from . import models as homeservers
from .models import Homeserver

Field = Literal["registration_secret", "admin_token"]
FIELDS: tuple[Field, ...] = ("registration_secret", "admin_token")


def seal_secret(
    public: PublicHalf, homeserver: Homeserver, field: Field, secret: SecretStr
) -> None:
    """Seal a secret into the homeserver's row. Its name, URL and certificate must be set before."""
    sealed = public.seal(secret.get_secret_value(), about=_about(homeserver, field))
    setattr(homeserver, field, sealed)


def open_secret(
    vault: Vault, private: PrivateHalves, homeserver: Homeserver, field: Field
) -> SecretStr:
    """Open a secret, sealed to the worker or, in earlier versions, with storage keys.

    Raises CannotOpen, also if the homeserver's URL was changed since: the secret would be sent
    there.
    """
    sealed = getattr(homeserver, field) or ""
    if is_boxed(sealed):
        return private.open(sealed, about=_about(homeserver, field))
    return vault.open(sealed)


def reseal(
    session: Session, vault: Vault, public: PublicHalf, private: PrivateHalves | None = None
) -> int:
    """Re-seal to this public key the secrets of storage keys and, given `private`, of older pairs.

    Return the number of secrets. Raises CannotOpen and changes nothing if a key is missing.
    """
    count = 0
    for homeserver, field, sealed in _sealed(session):
        if not is_boxed(sealed):
            secret = vault.open(sealed)
        elif private is not None and key_id_of(sealed) != public.key_id:
            secret = private.open(sealed, about=_about(homeserver, field))
        else:
            continue
        seal_secret(public, homeserver, field, secret)
        count += 1
    return count


def reseal_by(
    session: Session,
    now: datetime,
    who: Actor,
    vault: Vault,
    *,
    public: PublicHalf,
    private: PrivateHalves | None = None,
) -> int:
    """As `reseal`, by hand: with a row in the journal if a secret was re-sealed."""
    count = reseal(session, vault, public, private)
    if count:
        facts = {"secrets": count}
        journal.write(session, now, who, action="keys.reseal", subject=public.key_id, facts=facts)
    return count


def count_by_key(session: Session) -> dict[str, int]:
    """The number of secrets by the `key_id` of the pair that opens them; "" for storage keys."""
    counted: dict[str, int] = {}
    for _homeserver, _field, sealed in _sealed(session):
        key_id = key_id_of(sealed) if is_boxed(sealed) else ""
        counted[key_id] = counted.get(key_id, 0) + 1
    return counted


def _sealed(session: Session) -> Iterator[tuple[Homeserver, Field, str]]:
    for homeserver in homeservers.find_all(session):
        for field in FIELDS:
            sealed = getattr(homeserver, field)
            if sealed is not None:
                yield homeserver, field, sealed


def _about(homeserver: Homeserver, field: Field) -> tuple[str, ...]:
    trusted = "anybody" if homeserver.insecure else homeserver.ca_pem or ""
    return ("homeserver", homeserver.name, homeserver.url, trusted, field)
