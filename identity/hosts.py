"""Reads hosts and URLs in settings: what can be no host is refused, before anybody connects to it."""

import re
from ipaddress import ip_address
from urllib.parse import SplitResult, unquote, urlsplit

import idna

MAX_NAME = 253  # characters of a host name (RFC 1035)
# An underscore is in no host name, but in names that containers give one another.
LABEL = re.compile(r"[0-9A-Za-z_](?:[0-9A-Za-z_-]{0,61}[0-9A-Za-z_])?")


def is_host(text: str) -> bool:
    """Whether this may be a host: an address, without brackets, or a name, in A- or U-labels."""
    try:
        return not ip_address(text).is_unspecified
    except ValueError:
        pass
    if not text.isascii():
        try:
            text = in_ascii(text)
        except ValueError:
            return False
    labels = text.removesuffix(".").split(".")
    return len(text) <= MAX_NAME and all(map(LABEL.fullmatch, labels)) and not labels[-1].isdigit()


def in_ascii(name: str) -> str:
    """The name of a host in A-labels. Raises ValueError if a label can be none."""
    return name if name.isascii() else idna.encode(name, uts46=True).decode("ascii")


def split_url(value: str, example: str) -> SplitResult:
    """The parts of a URL. Raises ValueError if it is none, or if its host can be none."""
    try:
        parts = urlsplit(value)
        host = unquote(parts.hostname or "")
    except ValueError:
        raise ValueError(f"cannot be read as a URL, {example}") from None
    if not parts.netloc:
        return parts
    if host and not is_host(host):
        raise ValueError(f"its host is no name and no address of a machine, {example}")
    return parts
