"""The headers and parts every mail has, in the order and coding mail programs expect."""

from datetime import datetime
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import parseaddr
from typing import Final
from uuid import UUID

from .rendering import Written

LINE: Final = 76  # and not the library's 78: no quoted-printable line may be longer (RFC 2045, 6.7)
LONGEST_LINE: Final = 990  # of SMTP's 998
FORM: Final = "quoted-printable"
VERSION: Final = "2"  # of the set of templates; raise it when what they say changes


# A link in a header stays on one line: folded, it is another one to some programs, and to DKIM.
UNFOLDED: Final = frozenset({"list-unsubscribe"})


class Policy(EmailPolicy):
    """The library's policy, but long subjects stay what they are.

    EmailPolicy doubles a space, or adds one, where it folds a subject that is partly not ASCII.
    """

    def fold(self, name: str, value: str) -> str:
        if name.lower() in UNFOLDED:
            return f"{name}: {value}{self.linesep}"
        if name.lower() != "subject":
            folded: str = super().fold(name, value)
            return folded
        charset = "us-ascii" if value.isascii() else "utf-8"
        header = Header(str(value), charset, maxlinelen=LINE, header_name=name)
        return f"{name}: {header.encode(linesep=self.linesep)}{self.linesep}"

    def fold_binary(self, name: str, value: str) -> bytes:
        if name.lower() not in {"subject", *UNFOLDED}:
            return super().fold_binary(name, value)
        return self.fold(name, value).encode("ascii")


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

    `opt_out_link`: a mail program may post to it, which ends mails of this kind (RFC 8058).
    """
    message = EmailMessage(policy=POLICY)
    name, address = parseaddr(sender)
    message["From"] = Address(display_name=name or service, addr_spec=address)
    if reply_to:
        reply_name, reply_address = parseaddr(reply_to)
        message["Reply-To"] = Address(display_name=reply_name, addr_spec=reply_address)
    # Not as addr_spec: that takes no accents, which SMTPUTF8 does.
    local, _, domain = to.rpartition("@")
    message["To"] = Address(username=local, domain=domain)
    message["Subject"] = written.subject
    message["Date"] = date
    message["Message-ID"] = f"<{message_id}@{address.rpartition('@')[2]}>"
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
    return text.isascii() and all(len(line) <= LONGEST_LINE for line in text.splitlines())


def as_sent(message: EmailMessage, *, to: str) -> bytes:
    """The bytes for this recipient: an accented one cannot be written in ASCII."""
    policy = message.policy
    if isinstance(policy, EmailPolicy):
        policy = policy.clone(linesep="\r\n", utf8=not to.isascii())
    return message.as_bytes(policy=policy)
