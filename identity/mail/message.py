"""Builds the headers and MIME parts of a mail, encoded the way mail programs expect."""

from datetime import datetime
from email.header import Header
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime
from typing import Any, Final
from uuid import UUID

from domain_rules.mailboxes import address_of, with_name

from .outcomes import NotSent, Outcome
from .rendering import RenderedMail

LINE: Final = 76  # not the library's 78: no quoted-printable line may be longer (RFC 2045, 6.7)
MAX_LINE: Final = 990  # of SMTP's 998
ENCODING: Final = "quoted-printable"
VERSION: Final = "2"  # of the set of templates; raise it when what they say changes


# All other headers are written by us, character by character. The library would parse them, and
# decode what looks like an encoded word: into another address than the one that was checked.
LIBRARY_HEADERS: Final = ("content-", "mime-version")
# Only these are folded: to some programs and to DKIM, a link on two lines is a different link.
FOLDED: Final = frozenset({"from", "reply-to"})


class Policy(EmailPolicy):
    """Lets the email library write the content headers only; all others stay as we wrote them."""

    def header_store_parse(self, name: str, value: Any) -> tuple[str, Any]:
        if name.lower().startswith(LIBRARY_HEADERS):
            return super().header_store_parse(name, value)
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


def build_message(
    written: RenderedMail,
    *,
    template: str,
    languages: tuple[str, ...],
    to: str,
    sender: str,
    service: str,
    reply_to: str | None,
    message_id: UUID,
    date: datetime,
    opt_out_link: str | None = None,
) -> EmailMessage:
    """One mail to one address. The same facts give the same bytes, so a retry is the same mail.

    `to` is canonical; `sender` and `reply_to` are as `read_mailbox` returns them. `opt_out_link`: a
    URL to which mail programs may post to end mails of this kind (RFC 8058).
    """
    message = EmailMessage(policy=POLICY)
    message["From"] = with_name(sender, service)
    if reply_to:
        message["Reply-To"] = reply_to
    message["To"] = to
    message["Subject"] = written.subject
    message["Date"] = format_datetime(date)
    message["Message-ID"] = f"<{message_id}@{address_of(sender).rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message["X-Guichet-Template"] = f"{template}; version={VERSION}"
    if opt_out_link:
        message["List-Unsubscribe"] = f"<{opt_out_link}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    _set_content(message, written, message_id)
    # After the content, since setting it clears every Content header.
    message["Content-Language"] = ", ".join(languages)
    return message


def _set_content(message: EmailMessage, written: RenderedMail, message_id: UUID) -> None:
    if written.html is None:
        form = "7bit" if _is_bare(written.text) else ENCODING
        message.set_content(written.text, subtype="plain", charset="utf-8", cte=form)
    else:
        message.set_content(written.text, subtype="plain", charset="utf-8", cte=ENCODING)
        message.add_alternative(written.html, subtype="html", charset="utf-8", cte=ENCODING)
        # "=_" cannot stand in quoted-printable: the parts never hold their own boundary.
        message.set_boundary(f"=_{message_id.hex}")


def _is_bare(text: str) -> bool:
    """Whether a text can be sent as 7bit: ASCII, in lines that SMTP carries."""
    return text.isascii() and all(len(line) <= MAX_LINE for line in text.splitlines())


def encode_for(message: EmailMessage, *, to: str) -> bytes:
    """The bytes for this recipient. An address outside ASCII needs UTF-8 headers (RFC 6532)."""
    policy = message.policy
    if isinstance(policy, EmailPolicy):
        policy = policy.clone(linesep="\r\n", utf8=not to.isascii())
    return message.as_bytes(policy=policy)
