"""Matrix user IDs: what is one, and the localpart of a new account's, by the scheme of its homeserver."""

import re
from base64 import b32encode
from hashlib import sha256

from domain_rules.addresses import EmailAddress
from domain_rules.enums import Word

# Local parts as people have had them since Matrix began: whatever is seen, but the colon.
USER_ID = re.compile(r"@[^:\s\x00-\x1f\x7f]+:([0-9A-Za-z.:\[\]-]+)")
MAX_USER_ID = 255  # bytes

PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789.")
MAX_LOCALPART = 200  # bytes; an ID has 255, with its server name
DIGEST = 52  # base32 characters of a SHA-256
RANDOM = 10
TCHAP = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_-./=")


class Scheme(Word):
    """How a homeserver names its people."""

    ADDRESS = "address"
    RANDOM = "random"
    TCHAP = "tchap"


def homeserver_in(user_id: str) -> str | None:
    """The name of the homeserver in a user ID; None if this is none, or too long for one."""
    found = USER_ID.fullmatch(user_id)
    if found is None or not user_id.isprintable() or len(user_id.encode()) > MAX_USER_ID:
        return None
    return found[1]


def homeserver_of(user_id: str) -> str:
    """The server name in what is known to be a user ID."""
    return user_id.partition(":")[2]


def is_of_homeserver(user_id: str, homeserver: str) -> bool:
    """Whether this is the ID of a user of just this homeserver: all it may speak for."""
    return homeserver_in(user_id) == homeserver


def localpart(scheme: Scheme, address: EmailAddress, *, token: str) -> str:
    """The localpart this address gets.

    Only `random` looks at `token`, which must be fresh and unguessable; the same token
    gives the same name, so that a repeated attempt does not make a second account.
    Two addresses never share one by `address`; by `tchap` they may.
    """
    if scheme is Scheme.RANDOM:
        return f"guest-{_base32(token)[:RANDOM]}"
    if scheme is Scheme.TCHAP:
        name = address.canonical.replace("@", "-").lower()
        return "".join(letter for letter in name if letter in TCHAP)
    return _from_address(address)


def _from_address(address: EmailAddress) -> str:
    """Reversible below the limit: the one bare hyphen stands where the @ stood.

    A cut name has two in a row, which an uncut one never has, and the hash of the whole.
    """
    whole = f"{_escape(address.local)}-{_escape(address.ascii_domain)}"
    if len(whole) <= MAX_LOCALPART:
        return whole
    return f"{whole[: MAX_LOCALPART - DIGEST - 2]}--{_base32(whole)}"


def _escape(text: str) -> str:
    return "".join(chr(byte) if byte in PLAIN else f"={byte:02x}" for byte in text.encode())


def _base32(text: str) -> str:
    digest = sha256(text.encode(errors="surrogatepass")).digest()
    return b32encode(digest).decode().rstrip("=").lower()
