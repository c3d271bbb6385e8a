"""Ed25519 keys and signed JSON, as in the Matrix specification (appendix "Signing JSON").

Used for our own keys and to verify what homeservers signed. Nothing here touches the database.
"""

import base64
import binascii
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import signedjson.key
import signedjson.sign
from nacl.exceptions import CryptoError
from pydantic import SecretStr
from signedjson.types import SigningKey as NaclKey

ALGORITHM = "ed25519"
LENGTH = 32  # bytes, of either half
# A line of a key file, or of a Sydent configuration: ed25519 NAME SEED
KEY_LINE = re.compile(
    r"^\s*(?:ed25519\.signingkey\s*[=:]\s*)?ed25519\s+(\w{1,64})\s+([0-9A-Za-z+/]{43})=?\s*$",
    re.MULTILINE,
)


class NotSigned(Exception):
    """The object has no valid signature of this signer with this key."""


class WrongKey(Exception):
    """This is not a key: 32 bytes in base64."""


@dataclass(frozen=True)
class SigningKey:
    """A private key with its name, `ed25519:NAME`."""

    key_id: str
    seed: SecretStr = field(repr=False)  # unpadded base64

    @property
    def public(self) -> str:
        """The public half, unpadded base64."""
        return signedjson.key.encode_verify_key_base64(signedjson.key.get_verify_key(self._nacl()))

    def sign(self, facts: Mapping[str, Any], *, server_name: str) -> dict[str, Any]:
        """A copy of the object with the signature of this key added."""
        return signedjson.sign.sign_json(
            {**facts, "signatures": {**facts.get("signatures", {})}}, server_name, self._nacl()
        )

    def _nacl(self) -> NaclKey:
        name = self.key_id.partition(":")[2]
        return signedjson.key.decode_signing_key_base64(
            ALGORITHM, name, self.seed.get_secret_value()
        )


def new_key(name: str | None = None) -> SigningKey:
    """Make a new key; without a name it gets a random one."""
    name = name or secrets.token_hex(3)
    return SigningKey(f"{ALGORITHM}:{name}", SecretStr(encode_base64(secrets.token_bytes(LENGTH))))


def read_private_key(private: str) -> SigningKey:
    """The key for a private half sent by a client, in base64 or base64url. Raises WrongKey."""
    raw = decode_base64(private)
    if len(raw) != LENGTH:
        raise WrongKey
    return SigningKey(f"{ALGORITHM}:0", SecretStr(encode_base64(raw)))


def read_keys(text: str) -> list[SigningKey]:
    """Read keys: lines `ed25519 NAME SEED` of Synapse and Sydent, or Sydent's configuration."""
    return [
        SigningKey(f"{ALGORITHM}:{name}", SecretStr(seed)) for name, seed in KEY_LINE.findall(text)
    ]


def verify(signed: Mapping[str, Any], *, signer: str, key_id: str, public_key: str) -> None:
    """Raise NotSigned unless `signer` signed this object with this key."""
    try:
        name = key_id.removeprefix(f"{ALGORITHM}:")
        key = signedjson.key.decode_verify_key_bytes(
            f"{ALGORITHM}:{name}", decode_base64(public_key)
        )
        signedjson.sign.verify_signed_json(dict(signed), signer, key)
    except (signedjson.sign.SignatureVerifyException, CryptoError, ValueError, WrongKey) as error:
        raise NotSigned(type(error).__name__) from None
    except (TypeError, AttributeError, RecursionError) as error:
        # The object comes from strangers and may have any shape; the library expects objects.
        raise NotSigned(type(error).__name__) from None


def encode_base64(raw: bytes) -> str:
    """Unpadded base64, as Matrix writes keys."""
    return base64.b64encode(raw).rstrip(b"=").decode()


def decode_base64(text: str) -> bytes:
    """Read base64 or base64url, padded or not. Raises WrongKey."""
    plain = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise WrongKey from None
