"""Everything signed or derived from the link keys: one purpose, one salt; the newest key signs, all verify.

Link keys are renewed: nothing here is for longer than a link lives (see core/keyed_hashes.py for that).
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import Literal
from uuid import UUID

from itsdangerous import BadSignature, Signer
from pydantic import SecretStr

Purpose = Literal["verify", "not_me", "client", "invitation", "opt_out", "lists"]

UUID_LENGTH = 16  # bytes
BROWSER_ID_LENGTH = 18  # bytes, 144 bits
CODE_DIGITS = 8
LONG_CODE_DIGITS = 12  # while somebody is guessing
MAX_TYPED = 40  # characters in a code field that can still hold a code
# What people and clipboards put between digits.
BETWEEN = " \t\n\r-.\u2010\u2011\u2013\u00a0\u2009\u202f\u200b\ufeff"
LINK_LENGTH = 50  # characters; whatever a mail program leaves behind a link is not part of it


class UnknownCodeKey(LookupError):
    """The key that made a code is not among ours any more."""


class Tokens:
    """Keys stand oldest first, as in `GUICHET_SECRET_KEYS`. Nothing here touches the database."""

    def __init__(self, keys: Sequence[SecretStr]) -> None:
        if not keys:
            raise ValueError("at least one secret key is needed")
        self._keys = [key.get_secret_value() for key in keys]

    @property
    def link_keys(self) -> tuple[str, ...]:
        """Oldest first: what versions before hashed with them is found by them, see core/keyed_hashes.py."""
        return tuple(self._keys)

    def link(self, subject: UUID, purpose: Purpose) -> str:
        """The token of a mailed link: 50 URL-safe characters.

        It is the row's 16-byte id, signed: a forged or cut token is refused without a look at the
        database. 22 characters of id, a dot, 27 of HMAC-SHA1; the last one carries four bits and so
        is never `-` or `_`, which mail programs drop from the end of a link.
        """
        return self._sign(_text(subject.bytes), purpose)

    def read_link(self, token: str, purpose: Purpose) -> UUID | None:
        """The id inside, or None for what was not signed here for this purpose."""
        text = self._unsign(token[:LINK_LENGTH], purpose)
        try:
            return UUID(bytes=_bytes(text)) if text is not None else None
        except ValueError:
            return None

    @property
    def key_id(self) -> str:
        """The name of the key that makes new codes."""
        return _key_id(self._keys[-1])

    def has_key(self, key_id: str) -> bool:
        """Whether we still have the key of this name."""
        return any(_key_id(key) == key_id for key in self._keys)

    def code(
        self,
        purpose: str,
        subject: str,
        generation: int,
        *,
        digits: int = CODE_DIGITS,
        key_id: str | None = None,
    ) -> str:
        """The digits that stand in the mails of one generation, made with the key of this name or with the newest.

        `subject`: an address, or the sid of a validation session. Raises UnknownCodeKey.
        """
        wanted = key_id or self.key_id
        key = next((each for each in self._keys if _key_id(each) == wanted), None)
        if key is None:
            raise UnknownCodeKey(wanted)
        about = f"guichet code:{purpose}:{subject}:{generation}:{digits}"
        digest = hmac.digest(key.encode(), about.encode(), "sha256")
        return f"{int.from_bytes(digest[:16], 'big') % 10**digits:0{digits}d}"

    @staticmethod
    def is_same(typed: str, code: str) -> bool:
        """Compare in a time that says nothing about where they differ."""
        return hmac.compare_digest(typed, code)

    def new_browser(self) -> str:
        """A fresh browser id, for the cookie that marks the browser that asked."""
        return _text(secrets.token_bytes(BROWSER_ID_LENGTH))

    def renewed_browser(self, browser_id: str, proof: UUID) -> str:
        """The id that follows this one at a proof: nobody tells it who knows the old one, but we can tell it again."""
        about = b"guichet renewed browser:%b:%b" % (browser_id.encode(), proof.bytes)
        return _text(hmac.digest(self._keys[-1].encode(), about, "sha256")[:BROWSER_ID_LENGTH])

    def sign_browser(self, browser_id: str) -> str:
        return self._sign(browser_id, "browser")

    def browser_cookie(self, value: str | None) -> str | None:
        """The browser id in a cookie of ours, or None."""
        return self._unsign(value, "browser") if value else None

    @staticmethod
    def browser_hash(browser_id: str) -> str:
        """What the rows hold of a browser id: a leaked table opens no session."""
        return hashlib.sha256(b"guichet browser:" + browser_id.encode()).hexdigest()

    def session_keys(self) -> tuple[str, list[str]]:
        """Keys for the web framework's own cookies (CSRF): the newest, and those that still verify."""
        derived = [
            hmac.digest(key.encode(), b"guichet web session", "sha256").hex() for key in self._keys
        ]
        return derived[-1], derived[:-1]

    def _signer(self, salt: str) -> Signer:
        return Signer(self._keys, salt=f"guichet.{salt}", key_derivation="hmac")

    def _sign(self, text: str, salt: str) -> str:
        return self._signer(salt).sign(text).decode()

    def _unsign(self, token: str, salt: str) -> str | None:
        try:
            return self._signer(salt).unsign(token).decode()
        except (BadSignature, UnicodeError):
            return None


def typed_digits(typed: str) -> str | None:
    """The digits in a code field, however they were written; None if there is anything else in it."""
    if len(typed) > MAX_TYPED or any(not c.isdecimal() and c not in BETWEEN for c in typed):
        return None
    return "".join(str(int(c)) for c in typed if c.isdecimal())


def is_whole_code(typed: str) -> bool:
    """Whether this can be a code at all. What cannot is no try."""
    return len(typed_digits(typed) or "") in {CODE_DIGITS, LONG_CODE_DIGITS}


def _key_id(key: str) -> str:
    return hmac.digest(key.encode(), b"guichet code key", "sha256").hex()[:8]


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
