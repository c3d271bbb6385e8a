"""Secrets of homeservers: sealed to the worker, each for one homeserver at one address, and opened nowhere else."""

from collections.abc import Iterator
from typing import Literal

from pydantic import SecretStr
from sqlalchemy.orm import Session

from identity.core.sealing import PrivateHalves, PublicHalf, Vault, is_boxed, key_of

from . import models as homeservers
from .models import Homeserver

Field = Literal["registration_secret", "admin_token"]
FIELDS: tuple[Field, ...] = ("registration_secret", "admin_token")


def seal(public: PublicHalf, homeserver: Homeserver, field: Field, secret: SecretStr) -> None:
    """Keep a secret in its row. Its address must be known by then: the secret goes nowhere else."""
    sealed = public.seal(secret.get_secret_value(), about=_about(homeserver, field))
    setattr(homeserver, field, sealed)


def opened(vault: Vault, private: PrivateHalves, homeserver: Homeserver, field: Field) -> SecretStr:
    """The secret, sealed to the worker or, by versions before, with storage keys. Raises CannotOpen.

    It does not open either if somebody changed where the homeserver is: it would be sent there.
    """
    sealed = getattr(homeserver, field) or ""
    if is_boxed(sealed):
        return private.open(sealed, about=_about(homeserver, field))
    return vault.open(sealed)


def reseal(
    session: Session, vault: Vault, public: PublicHalf, private: PrivateHalves | None = None
) -> int:
    """Seal to this public key what storage keys seal yet, and with the private halves also what older pairs do.

    How many secrets that were. Raises CannotOpen if a key is missing: nothing is changed then.
    """
    count = 0
    for homeserver, field, sealed in _sealed(session):
        if not is_boxed(sealed):
            secret = vault.open(sealed)
        elif private is not None and key_of(sealed) != public.key_id:
            secret = private.open(sealed, about=_about(homeserver, field))
        else:
            continue
        seal(public, homeserver, field, secret)
        count += 1
    return count


def by_key(session: Session) -> dict[str, int]:
    """How many secrets each pair opens, by its `key_id`; by storage keys under ""."""
    counted: dict[str, int] = {}
    for _homeserver, _field, sealed in _sealed(session):
        key_id = key_of(sealed) if is_boxed(sealed) else ""
        counted[key_id] = counted.get(key_id, 0) + 1
    return counted


def _sealed(session: Session) -> Iterator[tuple[Homeserver, Field, str]]:
    for homeserver in homeservers.every(session):
        for field in FIELDS:
            sealed = getattr(homeserver, field)
            if sealed is not None:
                yield homeserver, field, sealed


def _about(homeserver: Homeserver, field: Field) -> tuple[str, ...]:
    trusted = "anybody" if homeserver.insecure else homeserver.ca_pem or ""
    return ("homeserver", homeserver.name, homeserver.url, trusted, field)
