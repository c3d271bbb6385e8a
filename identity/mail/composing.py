"""Builds a mail from a template, its facts and the headers that every mail has."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from domain_rules.mailboxes import address_of, with_name
from identity.core.dates import Dates
from identity.settings import Settings
from identity.translations import LANGUAGES

from .message import POLICY
from .models import Mail
from .rendering import RenderedMail, render_mail, render_operator_text

MAX_LINE: Final = 990  # of SMTP's 998
ENCODING: Final = "quoted-printable"
VERSION: Final = "2"  # of the set of templates; raise it when what they say changes


@dataclass(frozen=True, kw_only=True)
class Frame:
    """What every mail has.

    `to` is canonical and parsed; `sender` and `reply_to` are as `read_mailbox` returns them. Without
    `language` a mail is in all languages.
    """

    to: str
    language: str | None
    message_id: UUID
    date: datetime
    sender: str
    reply_to: str | None
    service: str
    support_url: str | None
    public_url: str
    zone: ZoneInfo
    templates_dir: Path | None = None
    brand_dir: Path | None = None

    @classmethod
    def of(cls, mail: Mail, settings: Settings, language: str) -> "Frame":
        """The frame of a stored mail; `language` is "" for a mail in all languages."""
        return cls(
            to=mail.address,
            language=language or None,
            message_id=mail.id,
            date=mail.goes_at,
            sender=settings.mail_from,
            reply_to=settings.mail_reply_to,
            service=settings.service_name,
            support_url=settings.support_url,
            public_url=settings.public_url,
            templates_dir=settings.templates_dir,
            brand_dir=settings.brand_dir,
            zone=settings.time_zone,
        )

    @property
    def languages(self) -> tuple[str, ...]:
        return LANGUAGES if self.language is None else (self.language,)

    @property
    def dates(self) -> tuple[Dates, ...]:
        """How moments are written in each of its languages."""
        return tuple(Dates(self.zone, language) for language in self.languages)

    @property
    def help_url(self) -> str:
        """The operator's support page, or our own help page if there is none."""
        return self.support_url or f"{self.public_url}/help"


def compose(template: str, frame: Frame, *, named: str = "", **facts: Any) -> EmailMessage:
    """Compose the mail of a template. `named`: the template its headers name, if it differs.

    A fact `opt_out_link` also becomes List-Unsubscribe headers (RFC 8058).
    """
    written = render_mail(template, frame.dates, frame.templates_dir, _common_facts(frame) | facts)
    return build_message(written, named or template, frame, facts.get("opt_out_link"))


def compose_branded(
    file: str, template: str, frame: Frame, *, own: Mapping[str, str], **facts: Any
) -> EmailMessage:
    """Compose from the operator's text `file` in their brand folder, or else from our template.

    `own`: facts that only the operator's text may show.
    """
    path = frame.brand_dir / file if frame.brand_dir else None
    if path is None or not path.is_file():
        return compose(template, frame, **facts)
    blank = build_message(RenderedMail("", "", None), template, frame)
    headers = {
        "to": frame.to,
        "from": frame.sender,
        "messageid": str(blank["Message-ID"]),
        "date": str(blank["Date"]),
    }
    given = _common_facts(frame) | headers | facts | dict(own)
    written = render_operator_text(path, template, frame.dates, given)
    return build_message(written, template, frame, facts.get("opt_out_link"))


def _common_facts(frame: Frame) -> dict[str, Any]:
    return {
        "service": frame.service,
        "help_url": frame.help_url,
        "public_url": frame.public_url,
    }


def build_message(
    written: RenderedMail, template: str, frame: Frame, opt_out_link: str | None = None
) -> EmailMessage:
    """One mail to one address. The same facts give the same bytes, so a retry is the same mail.

    `opt_out_link`: a URL to which mail programs may post to end mails of this kind (RFC 8058).
    """
    message = EmailMessage(policy=POLICY)
    message["From"] = with_name(frame.sender, frame.service)
    if frame.reply_to:
        message["Reply-To"] = frame.reply_to
    message["To"] = frame.to
    message["Subject"] = written.subject
    message["Date"] = format_datetime(frame.date)
    message["Message-ID"] = f"<{frame.message_id}@{address_of(frame.sender).rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message["X-Guichet-Template"] = template_header(template)
    if opt_out_link:
        message["List-Unsubscribe"] = f"<{opt_out_link}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    _set_content(message, written, frame.message_id)
    # After the content, since setting it clears every Content header.
    message["Content-Language"] = ", ".join(frame.languages)
    return message


def template_header(template: str) -> str:
    """Which text a mail carries, for whoever receives it."""
    return f"{template}; version={VERSION}"


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
