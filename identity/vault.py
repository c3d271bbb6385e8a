"""What Guichet keeps for others is encrypted at rest: homeserver tokens and secrets."""

import base64
import hashlib
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import SecretStr


class CannotOpen(Exception):
    """The storage keys at hand do not open this: a key was removed while it was in use."""


class Vault:
    """Seals with the newest key, opens with any. Keys stand oldest first (`GUICHET_STORAGE_KEYS`)."""

    def __init__(self, keys: Sequence[SecretStr]) -> None:
        if not keys:
            raise ValueError("at least one storage key is needed")
        self._fernet = MultiFernet([_fernet(key) for key in reversed(keys)])

    def seal(self, secret: str) -> str:
        return self._fernet.encrypt(secret.encode()).decode()

    def open(self, sealed: str) -> SecretStr:
        """Raises CannotOpen."""
        try:
            return SecretStr(self._fernet.decrypt(sealed.encode()).decode())
        except InvalidToken:
            raise CannotOpen from None


def _fernet(key: SecretStr) -> Fernet:
    # Any long random string serves as a key; Fernet wants exactly 32 bytes.
    digest = hashlib.sha256(b"guichet storage key:" + key.get_secret_value().encode()).digest()
    return Fernet(base64.urlsafe_b64encode(digest))
