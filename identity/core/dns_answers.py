"""What an answer of the DNS comes to, as plain values."""

from dataclasses import dataclass
from enum import StrEnum


class Found(StrEnum):
    """How a question ended."""

    SOME = "some"
    NONE = "none"  # the name is there or not, but no such record
    NO_ANSWER = "no_answer"  # nobody answered, or not as name servers do


@dataclass(frozen=True)
class DnsAnswer:
    """The records as texts, in their order, and which server gave them."""

    found: Found
    texts: tuple[str, ...] = ()
    server: str = ""


@dataclass(frozen=True)
class MailServer:
    """One MX record: the lower its preference, the earlier it is tried. A null MX has no host."""

    preference: int
    host: str
