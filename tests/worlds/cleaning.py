"""What the clean-up of a night deletes, in one transaction of a test."""

from datetime import datetime

from sqlalchemy.orm import Session

from identity.core.keyed_hashes import KeyedHashes
from identity.core.sealing import Vault
from identity.core.tokens import Tokens
from identity.maintenance import retention

ALL = 1_000_000


def cleaned(session: Session, now: datetime, hashes: KeyedHashes | None = None) -> dict[str, int]:
    """The number of rows by kind. Addresses are hidden only if `hashes` are given."""
    steps = retention.steps(
        now, hashes or KeyedHashes(Vault.__new__(Vault), Tokens.__new__(Tokens))
    )
    if hashes is None:
        del steps["addresses of ended invitations"]
    return {name: step(session, ALL) for name, step in steps.items()}
