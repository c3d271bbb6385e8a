"""Fingerprints of the keys of a process: they show whether all nodes have the same ones."""

import hashlib

from pydantic import SecretStr

from identity.core.sealing import PrivateHalves, PublicHalf

DIGITS = 10  # of hexadecimal: enough to tell keys apart, useless for guessing a key of 256 bits


def fingerprint(key: SecretStr) -> str:
    """Ten hexadecimal digits of a hash of the key."""
    named = f"guichet key fingerprint:{key.get_secret_value()}"
    return hashlib.sha256(named.encode()).hexdigest()[:DIGITS]


def fingerprints_of(
    secret_keys: tuple[SecretStr, ...],
    storage_keys: tuple[SecretStr, ...],
    public_half: PublicHalf,
    halves: PrivateHalves | None,
) -> dict[str, list[str]]:
    """The fingerprints of each set of keys in its order; of pairs the ids of their public halves.

    `public`: the half to which this process seals; `homeserver`: what a worker can open.
    """
    opened = {"homeserver": [each.key_id for each in halves.publics]} if halves else {}
    return {
        "link": [fingerprint(key) for key in secret_keys],
        "storage": [fingerprint(key) for key in storage_keys],
        "public": [public_half.key_id],
        **opened,
    }
