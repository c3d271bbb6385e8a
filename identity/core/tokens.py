"""Tokens of mailed links, one-time codes and browser cookies, all made with the link keys.

Each purpose has a salt of its own. The newest key signs, all keys verify. Link keys are rotated, so
nothing here lasts longer than a link (see keyed_hashes.py for hashes that last).
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

Purpose = Literal[
    "verify",
    "not_me",
    "client",
    "invitation",
    "opt_out",
    "lists",
    "operators",  # the code to sign in to the console
    "operator_invite",
    "domain",
    "domain_code",
]

BROWSER_ID_LENGTH = 18  # bytes, 144 bits
CODE_DIGITS = 8
LONG_CODE_DIGITS = 12  # while somebody is guessing
MAX_TYPED = 40  # characters in a code field that can still hold a code
# Characters that people and clipboards put between digits.
BETWEEN = " \t\n\r-.\u2010\u2011\u2013\u00a0\u2009\u202f\u200b\ufeff"
LINK_LENGTH = 50  # characters; what a mail program appends to a link is cut off


class UnknownCodeKey(LookupError):
    """The key that made a code is no longer one of ours."""


class Tokens:
    """Makes and reads tokens. `keys`: GUICHET_SECRET_KEYS, oldest first."""

    def __init__(self, keys: Sequence[SecretStr]) -> None:
        if not keys:
            raise ValueError("at least one secret key is needed")
        self._keys = [key.get_secret_value() for key in keys]

    @property
    def link_keys(self) -> tuple[str, ...]:
        """The link keys, oldest first; keyed_hashes.py needs them for rows of earlier versions."""
        return tuple(self._keys)

    def link(self, subject: UUID, purpose: Purpose) -> str:
        """The token of a mailed link: 50 URL-safe characters.

        It is the row's 16-byte id with a signature, so a forged token is refused without a query.
        22 characters of id, a dot, 27 of HMAC-SHA1. The last character carries four bits and so is
        never `-` or `_`, which mail programs drop from the end of a link.
        """
        return self._sign(_text(subject.bytes), purpose)

    def read_link(self, token: str, purpose: Purpose) -> UUID | None:
        """The id in a token, or None if we did not sign it for this purpose."""
        text = self._unsign(token[:LINK_LENGTH], purpose)
        try:
            return UUID(bytes=_bytes(text)) if text is not None else None
        except ValueError:
            return None

    @property
    def key_id(self) -> str:
        """The id of the key that makes new codes."""
        return _key_id(self._keys[-1])

    def has_key(self, key_id: str) -> bool:
        """Whether we still have the key with this id."""
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
        """The digits of one generation of a code, made with this key or with the newest.

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
        """Whether two codes are equal, compared in constant time."""
        return hmac.compare_digest(typed, code)

    def new_browser(self) -> str:
        """A new random browser id, for the cookie of a browser that makes a request."""
        return _text(secrets.token_bytes(BROWSER_ID_LENGTH))

    def renewed_browser(self, browser_id: str, proof: UUID) -> str:
        """The browser id after a verification: derived, so that a repeated request gets the same.

        Whoever knows only the old id cannot compute it.
        """
        about = b"guichet renewed browser:%b:%b" % (browser_id.encode(), proof.bytes)
        return _text(hmac.digest(self._keys[-1].encode(), about, "sha256")[:BROWSER_ID_LENGTH])

    def sign_browser(self, browser_id: str) -> str:
        return self._sign(browser_id, "browser")

    def browser_cookie(self, value: str | None) -> str | None:
        """The browser id in our cookie, or None if we did not sign it."""
        return self._unsign(value, "browser") if value else None

    @staticmethod
    def browser_hash(browser_id: str) -> str:
        """The hash of a browser id that rows contain: a leaked table opens no session."""
        return hashlib.sha256(b"guichet browser:" + browser_id.encode()).hexdigest()

    def session_keys(self) -> tuple[str, list[str]]:
        """Keys for Flask's own cookie (CSRF): the newest, and the others that still verify."""
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
            text = self._signer(salt).unsign(token).decode()
            signature = token.rpartition(".")[2]
            # Base64 spells the same bytes in several ways: only the one that we write counts.
            return text if _text(_bytes(signature)) == signature else None
        except (BadSignature, ValueError):
            return None


def typed_digits(typed: str) -> str | None:
    """The digits typed in a code field, without separators; None if there is anything else."""
    if len(typed) > MAX_TYPED or any(not c.isdecimal() and c not in BETWEEN for c in typed):
        return None
    return "".join(str(int(c)) for c in typed if c.isdecimal())


def is_whole_code(typed: str) -> bool:
    """Whether this has the length of a code. Anything else does not count as a try."""
    return len(typed_digits(typed) or "") in {CODE_DIGITS, LONG_CODE_DIGITS}


def _key_id(key: str) -> str:
    return hmac.digest(key.encode(), b"guichet code key", "sha256").hex()[:8]


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
