"""From facts to a mail: the template of its name, in the languages of its frame, with the headers every mail has."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import UUID

from identity.settings import Settings
from identity.translations import LANGUAGES

from .message import build
from .models import Mail
from .rendering import Written, by_the_operator, write


@dataclass(frozen=True, kw_only=True)
class Frame:
    """What every mail has. `to` is canonical and parsed; without `language` the mail speaks both."""

    to: str
    language: str | None
    message_id: UUID
    date: datetime
    sender: str
    reply_to: str | None
    service: str
    support_url: str | None
    public_url: str
    templates_dir: Path | None = None
    brand_dir: Path | None = None

    @classmethod
    def of(cls, mail: Mail, settings: Settings, language: str) -> "Frame":
        """The frame of a stored mail; `language` is "" if it has to speak both."""
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
        )

    @property
    def languages(self) -> tuple[str, ...]:
        return LANGUAGES if self.language is None else (self.language,)

    @property
    def help_url(self) -> str:
        """Where help is; our own page if the operator names none."""
        return self.support_url or f"{self.public_url}/help"


def compose(template: str, frame: Frame, *, named: str = "", **facts: Any) -> EmailMessage:
    """The mail of a template. `named`: the name in its headers, where several share one text.

    A fact `opt_out_link` stands in the headers as well (RFC 8058).
    """
    written = write(template, frame.languages, frame.templates_dir, _for_all(frame) | facts)
    return _message(written, named or template, frame, facts.get("opt_out_link"))


def compose_branded(
    file: str, template: str, frame: Frame, *, own: Mapping[str, str], **facts: Any
) -> EmailMessage:
    """The operator's text `file` where their brand has one, else ours. `own`: facts that only theirs shows."""
    path = frame.brand_dir / file if frame.brand_dir else None
    if path is None or not path.is_file():
        return compose(template, frame, **facts)
    blank = _message(Written("", "", None), template, frame)
    headers = {
        "to": frame.to,
        "from": frame.sender,
        "messageid": str(blank["Message-ID"]),
        "date": str(blank["Date"]),
    }
    given = _for_all(frame) | headers | facts | dict(own)
    written = by_the_operator(path, template, frame.languages, given)
    return _message(written, template, frame, facts.get("opt_out_link"))


def _for_all(frame: Frame) -> dict[str, Any]:
    return {
        "service": frame.service,
        "help_url": frame.help_url,
        "public_url": frame.public_url,
    }


def _message(
    written: Written, template: str, frame: Frame, opt_out_link: str | None = None
) -> EmailMessage:
    return build(
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
