"""Encryption of secrets in the database, with two sets of keys.

Storage keys (`Vault`) are symmetric (Fernet): web and worker both have them. Homeservers' secrets
and typed passwords are sealed to a public key (`PublicHalf`, NaCl sealed boxes); only the worker
has the private keys that open them (`PrivateHalves`).
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from nacl.bindings import sodium_pad, sodium_unpad
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox
from pydantic import SecretStr

PRIVATE, PUBLIC = "hs-private-", "hs-public-"  # prefixes of the two halves of a pair
BOX = "box1"
BLOCK = 256  # bytes; padding, so that a box does not show the length of a password


class CannotOpen(Exception):
    """None of our keys opens this: a key was removed while it was in use."""


class Vault:
    """Seals with the newest storage key, opens with any.

    `keys`: GUICHET_STORAGE_KEYS, oldest first.
    """

    def __init__(self, keys: Sequence[SecretStr]) -> None:
        if not keys:
            raise ValueError("at least one storage key is needed")
        self._newest = _fernet(keys[-1])
        self._fernet = MultiFernet([_fernet(key) for key in reversed(keys)])

    def seal(self, secret: str) -> str:
        return self._fernet.encrypt(secret.encode()).decode()

    def open(self, sealed: str) -> SecretStr:
        """Raises CannotOpen."""
        try:
            return SecretStr(self._fernet.decrypt(sealed.encode()).decode())
        except InvalidToken:
            raise CannotOpen from None

    def is_closed(self, sealed: str) -> bool:
        """Whether no key here opens this."""
        try:
            self._fernet.decrypt(sealed.encode())
        except InvalidToken:
            return True
        return False

    def is_newest(self, sealed: str) -> bool:
        """Whether the newest key sealed this."""
        try:
            self._newest.decrypt(sealed.encode())
        except InvalidToken:
            return False
        return True


def _fernet(key: SecretStr) -> Fernet:
    # Any long random string serves as a key; Fernet wants exactly 32 bytes.
    digest = hashlib.sha256(b"guichet storage key:" + key.get_secret_value().encode()).digest()
    return Fernet(base64.urlsafe_b64encode(digest))


class PublicHalf:
    """Seals what only the worker may open. Written as `hs-public-` and 43 letters of base64url."""

    def __init__(self, text: str) -> None:
        """Raises ValueError for any other text."""
        self.text = text
        self._key = PublicKey(_raw(text, PUBLIC))
        self.key_id = hashlib.sha256(bytes(self._key)).hexdigest()[:12]

    def seal(self, secret: str, *, about: Sequence[str]) -> str:
        """Seal a secret together with what it is about: `open` must name the same."""
        inside = json.dumps({"about": list(about), "secret": secret}).encode()
        sealed = SealedBox(self._key).encrypt(sodium_pad(inside, BLOCK))
        return f"{BOX}.{self.key_id}.{base64.urlsafe_b64encode(sealed).decode()}"


class PrivateHalves:
    """Opens what is sealed to one of these pairs. `keys`: GUICHET_HOMESERVER_KEYS, oldest first."""

    def __init__(self, keys: Sequence[SecretStr]) -> None:
        """Raises ValueError without a key, or if one is not `hs-private-` and 43 letters."""
        if not keys:
            raise ValueError("at least one private half is needed")
        found = [PrivateKey(_raw(key.get_secret_value(), PRIVATE)) for key in keys]
        self.publics = [PublicHalf(_written(PUBLIC, bytes(key.public_key))) for key in found]
        self._keys = {public.key_id: key for public, key in zip(self.publics, found, strict=True)}

    @property
    def newest(self) -> PublicHalf:
        return self.publics[-1]

    def open(self, sealed: str, *, about: Sequence[str]) -> SecretStr:
        """Open a sealed secret. Raises CannotOpen, also if it was sealed about something else."""
        try:
            _, key_id, box = sealed.split(".")
            padded = SealedBox(self._keys[key_id]).decrypt(
                base64.b64decode(box, altchars=b"-_", validate=True)
            )
            inside = json.loads(sodium_unpad(padded, BLOCK))
        except (KeyError, ValueError, CryptoError):
            raise CannotOpen from None
        if inside["about"] != list(about):
            raise CannotOpen
        return SecretStr(inside["secret"])


def is_boxed(sealed: str) -> bool:
    """Whether this is sealed to a public key, and not by storage keys as in earlier versions."""
    return sealed.startswith(f"{BOX}.")


def key_id_of(sealed: str) -> str:
    """The `key_id` of the public half that sealed this."""
    return sealed.split(".")[1]


def new_pair() -> tuple[SecretStr, PublicHalf]:
    """Make a new pair: the private half as text, and the public half."""
    key = PrivateKey.generate()
    return SecretStr(_written(PRIVATE, bytes(key))), PublicHalf(
        _written(PUBLIC, bytes(key.public_key))
    )


def _written(prefix: str, raw: bytes) -> str:
    return prefix + base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _raw(text: str, prefix: str) -> bytes:
    try:
        raw = base64.b64decode(text.removeprefix(prefix) + "=", altchars=b"-_", validate=True)
    except binascii.Error:
        raw = b""
    if not text.startswith(prefix) or len(raw) != PublicKey.SIZE:
        # The message does not repeat the text: it may be a private half.
        raise ValueError(f"a key begins with {prefix} and has 43 letters after it")
    return raw
