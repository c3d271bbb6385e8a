"""Matrix user IDs: which texts are valid, and the localparts of new accounts."""

import re
from base64 import b32encode
from hashlib import sha256

from domain_rules.addresses import EmailAddress
from domain_rules.enums import StrEnum

# Historical user IDs are accepted too (Matrix specification, appendices): any visible character
# but the colon.
USER_ID = re.compile(r"@[^:\s\x00-\x1f\x7f]+:([0-9A-Za-z.:\[\]-]+)")
MAX_USER_ID = 255  # bytes

PLAIN_BYTES = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789.")
MAX_LOCALPART = 200  # bytes; a user ID has at most 255, the server name included
DIGEST_CHARACTERS = 52  # base32 characters of a SHA-256
RANDOM_CHARACTERS = 10
TCHAP_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_-./=")


class Scheme(StrEnum):
    """How a homeserver makes localparts of new accounts."""

    ADDRESS = "address"
    RANDOM = "random"
    TCHAP = "tchap"


def homeserver_in(user_id: str) -> str | None:
    """The server name in a user ID; None if the text is not a user ID or is too long."""
    found = USER_ID.fullmatch(user_id)
    if found is None or not user_id.isprintable() or len(user_id.encode()) > MAX_USER_ID:
        return None
    return found[1]


def homeserver_of(user_id: str) -> str:
    """The server name in what is known to be a Matrix ID."""
    return user_id.partition(":")[2]


def is_of_homeserver(user_id: str, homeserver: str) -> bool:
    """Whether it is the ID of a user of this homeserver."""
    return homeserver_in(user_id) == homeserver


def make_localpart(scheme: Scheme, address: EmailAddress, *, token: str) -> str:
    """The localpart of a new account for this address.

    Only `random` uses `token`, which must be fresh and unguessable; the same token gives the same
    localpart, so that a repeated attempt does not create a second account. By `address` no two
    addresses share a localpart; by `tchap` they may.
    """
    if scheme is Scheme.RANDOM:
        return f"guest-{_base32(token)[:RANDOM_CHARACTERS]}"
    if scheme is Scheme.TCHAP:
        name = address.canonical.replace("@", "-").lower()
        return "".join(letter for letter in name if letter in TCHAP_CHARACTERS)
    return _from_address(address)


def _from_address(address: EmailAddress) -> str:
    """Reversible below the limit: the only bare hyphen stands for the @.

    A shortened localpart has two hyphens in a row, which no other has, and a hash of the whole.
    """
    whole = f"{_escape(address.local)}-{_escape(address.ascii_domain)}"
    if len(whole) <= MAX_LOCALPART:
        return whole
    return f"{whole[: MAX_LOCALPART - DIGEST_CHARACTERS - 2]}--{_base32(whole)}"


def _escape(text: str) -> str:
    return "".join(chr(byte) if byte in PLAIN_BYTES else f"={byte:02x}" for byte in text.encode())


def _base32(text: str) -> str:
    digest = sha256(text.encode(errors="surrogatepass")).digest()
    return b32encode(digest).decode().rstrip("=").lower()
