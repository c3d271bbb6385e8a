"""The headers and parts every mail has, in the order and coding mail programs expect."""

from datetime import datetime
from email.header import Header
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime
from typing import Any, Final
from uuid import UUID

from domain_rules.mailboxes import address_of, with_name

from .outcomes import NotSent, Outcome
from .rendering import Written

LINE: Final = 76  # and not the library's 78: no quoted-printable line may be longer (RFC 2045, 6.7)
MAX_LINE: Final = 990  # of SMTP's 998
FORM: Final = "quoted-printable"
VERSION: Final = "2"  # of the set of templates; raise it when what they say changes


# What goes into every other header is written by us, letter by letter. Handed to the library it would
# be parsed, and what looks like an encoded word decoded: another address than the one that was judged.
OF_THE_LIBRARY: Final = ("content-", "mime-version")
# These are folded; a link on two lines is another one to some programs, and to DKIM.
FOLDED: Final = frozenset({"from", "reply-to"})


class Policy(EmailPolicy):
    """The library's policy for what it writes itself: the content's headers. All others are kept as they are."""

    def header_store_parse(self, name: str, value: Any) -> tuple[str, Any]:
        if name.lower().startswith(OF_THE_LIBRARY):
            return super().header_store_parse(name, value)
        if "\r" in value or "\n" in value or "\0" in value:
            raise NotSent(Outcome.CONTENT, f"{name} would hold a line break")
        return name, value

    def header_fetch_parse(self, name: str, value: Any) -> Any:
        if name.lower().startswith(OF_THE_LIBRARY):
            return super().header_fetch_parse(name, value)
        return value

    def fold(self, name: str, value: Any) -> str:
        if name.lower().startswith(OF_THE_LIBRARY):
            folded: str = super().fold(name, value)
            return folded
        return f"{name}: {_body(name, value, self.linesep)}{self.linesep}"

    def fold_binary(self, name: str, value: Any) -> bytes:
        if name.lower().startswith(OF_THE_LIBRARY):
            return super().fold_binary(name, value)
        # Only a recipient may have accents, and only where SMTPUTF8 carries them.
        charset = "utf-8" if name.lower() == "to" and self.utf8 else "ascii"
        return self.fold(name, value).encode(charset)


def _body(name: str, value: str, linesep: str) -> str:
    if name.lower() == "subject":
        # EmailPolicy doubles a space, or adds one, where it folds a subject that is partly not ASCII.
        is_bare = value.isascii() and "=?" not in value
        header = Header(
            value, "us-ascii" if is_bare else "utf-8", maxlinelen=LINE, header_name=name
        )
        return header.encode(linesep=linesep)
    return _folded(f"{name}: ", value, linesep) if name.lower() in FOLDED else value


def _folded(before: str, value: str, linesep: str) -> str:
    """On several lines where one would be too long, broken at spaces."""
    lines, room = [""], LINE - len(before)
    for word in value.split(" "):
        if lines[-1] and len(lines[-1]) + 1 + len(word) > room:
            lines.append("")
            room = LINE - 1
        lines[-1] += f" {word}" if lines[-1] else word
    return f"{linesep} ".join(lines)


POLICY: Final = Policy(max_line_length=LINE, linesep="\r\n")


def build(
    written: Written,
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

    `to` is canonical; `sender` and `reply_to` are as `read_mailbox` gives them.
    `opt_out_link`: a mail program may post to it, which ends mails of this kind (RFC 8058).
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
    _fill(message, written, message_id)
    # After the content: setting that clears every Content header.
    message["Content-Language"] = ", ".join(languages)
    return message


def _fill(message: EmailMessage, written: Written, message_id: UUID) -> None:
    if written.html is None:
        form = "7bit" if _is_bare(written.text) else FORM
        message.set_content(written.text, subtype="plain", charset="utf-8", cte=form)
    else:
        message.set_content(written.text, subtype="plain", charset="utf-8", cte=FORM)
        message.add_alternative(written.html, subtype="html", charset="utf-8", cte=FORM)
        # "=_" cannot stand in quoted-printable: the parts never hold their own boundary.
        message.set_boundary(f"=_{message_id.hex}")


def _is_bare(text: str) -> bool:
    """Whether a text may go as it is: programs that read it need not decode anything."""
    return text.isascii() and all(len(line) <= MAX_LINE for line in text.splitlines())


def as_sent(message: EmailMessage, *, to: str) -> bytes:
    """The bytes for this recipient: an accented one cannot be written in ASCII."""
    policy = message.policy
    if isinstance(policy, EmailPolicy):
        policy = policy.clone(linesep="\r\n", utf8=not to.isascii())
    return message.as_bytes(policy=policy)
