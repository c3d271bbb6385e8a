"""Builds a mail from a template, its facts and the headers that every mail has."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from identity.core.dates import Dates
from identity.settings import Settings
from identity.translations import LANGUAGES

from .message import build_message
from .models import Mail
from .rendering import RenderedMail, render_mail, render_operator_text


@dataclass(frozen=True, kw_only=True)
class Frame:
    """What every mail has.

    `to` is canonical and parsed. Without `language` a mail is in all languages.
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
    return _message(written, named or template, frame, facts.get("opt_out_link"))


def compose_branded(
    file: str, template: str, frame: Frame, *, own: Mapping[str, str], **facts: Any
) -> EmailMessage:
    """Compose from the operator's text `file` in their brand folder, or else from our template.

    `own`: facts that only the operator's text may show.
    """
    path = frame.brand_dir / file if frame.brand_dir else None
    if path is None or not path.is_file():
        return compose(template, frame, **facts)
    blank = _message(RenderedMail("", "", None), template, frame)
    headers = {
        "to": frame.to,
        "from": frame.sender,
        "messageid": str(blank["Message-ID"]),
        "date": str(blank["Date"]),
    }
    given = _common_facts(frame) | headers | facts | dict(own)
    written = render_operator_text(path, template, frame.dates, given)
    return _message(written, template, frame, facts.get("opt_out_link"))


def _common_facts(frame: Frame) -> dict[str, Any]:
    return {
        "service": frame.service,
        "help_url": frame.help_url,
        "public_url": frame.public_url,
    }


def _message(
    written: RenderedMail, template: str, frame: Frame, opt_out_link: str | None = None
) -> EmailMessage:
    return build_message(
        written,
        template=template,
        languages=frame.languages,
        to=frame.to,
        sender=frame.sender,
        service=frame.service,
        reply_to=frame.reply_to,
        message_id=frame.message_id,
        date=frame.date,
        opt_out_link=opt_out_link,
    )
