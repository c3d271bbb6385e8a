"""Encodes the headers and MIME parts of a mail the way mail programs expect."""

import re
from email.header import Header
from email.message import EmailMessage
from email.policy import EmailPolicy
from functools import lru_cache
from typing import Any, Final

from .outcomes import NotSent, Outcome

LINE: Final = 76  # not the library's 78: no quoted-printable line may be longer (RFC 2045, 6.7)
OWN_ID: Final = re.compile(r"\s*<([0-9A-Za-z-]{1,64})@")


# All other headers are written by us, character by character. The library would parse them, and
# decode what looks like an encoded word: into another address than the one that was checked.
LIBRARY_HEADERS: Final = ("content-", "mime-version")
# Only these are folded: to some programs and to DKIM, a link on two lines is a different link.
FOLDED: Final = frozenset({"from", "reply-to"})


class Policy(EmailPolicy):
    """Lets the email library write the content headers only; all others stay as we wrote them."""

    def header_store_parse(self, name: str, value: Any) -> tuple[str, Any]:
        if name.lower().startswith(LIBRARY_HEADERS):
            return _parsed(name, value) if type(value) is str else (name, value)
        if "\r" in value or "\n" in value or "\0" in value:
            raise NotSent(Outcome.CONTENT, f"{name} would hold a line break")
        return name, value

    def header_fetch_parse(self, name: str, value: Any) -> Any:
        if name.lower().startswith(LIBRARY_HEADERS):
            return super().header_fetch_parse(name, value)
        return value

    def fold(self, name: str, value: Any) -> str:
        if name.lower().startswith(LIBRARY_HEADERS):
            folded: str = super().fold(name, value)
            return folded
        return f"{name}: {_body(name, value, self.linesep)}{self.linesep}"

    def fold_binary(self, name: str, value: Any) -> bytes:
        if name.lower().startswith(LIBRARY_HEADERS):
            return super().fold_binary(name, value)
        # Only a recipient may have accents, and only where SMTPUTF8 carries them.
        charset = "utf-8" if name.lower() == "to" and self.utf8 else "ascii"
        return self.fold(name, value).encode(charset)


@lru_cache(maxsize=64)
def _parsed(name: str, value: str) -> tuple[str, Any]:
    """A content header as the library reads it: nearly all mails have the same ones."""
    parsed: tuple[str, Any] = EmailPolicy().header_store_parse(name, value)
    return parsed


def _body(name: str, value: str, linesep: str) -> str:
    if name.lower() == "subject":
        # EmailPolicy doubles or adds spaces where it folds a subject that is partly not ASCII.
        is_bare = value.isascii() and "=?" not in value
        header = Header(
            value, "us-ascii" if is_bare else "utf-8", maxlinelen=LINE, header_name=name
        )
        return header.encode(linesep=linesep)
    return _folded(f"{name}: ", value, linesep) if name.lower() in FOLDED else value


def _folded(before: str, value: str, linesep: str) -> str:
    """The value in several lines where one would be too long, broken at spaces."""
    lines, room = [""], LINE - len(before)
    for word in value.split(" "):
        if lines[-1] and len(lines[-1]) + 1 + len(word) > room:
            lines.append("")
            room = LINE - 1
        lines[-1] += f" {word}" if lines[-1] else word
    return f"{linesep} ".join(lines)


POLICY: Final = Policy(max_line_length=LINE, linesep="\r\n")


def own_id(message: EmailMessage) -> str:
    """The id in the Message-ID of a mail of ours; "" if there is none."""
    found = OWN_ID.match(str(message["Message-ID"] or ""))
    return found[1] if found else ""


def encode_for(message: EmailMessage, *, to: str) -> bytes:
    """The bytes for this recipient. An address outside ASCII needs UTF-8 headers (RFC 6532)."""
    policy = message.policy
    if isinstance(policy, EmailPolicy):
        policy = policy.clone(linesep="\r\n", utf8=not to.isascii())
    return message.as_bytes(policy=policy)
