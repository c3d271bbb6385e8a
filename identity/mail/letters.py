"""Every mail Guichet writes, one function each."""

from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import UUID

from identity.translations import LANGUAGES

from .message import build
from .rendering import write


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

    @property
    def help_url(self) -> str:
        """Where help is; our own page if the operator names none."""
        return self.support_url or f"{self.public_url}/help"


def verify(
    frame: Frame,
    *,
    code: str | None,
    link: str,
    not_me_link: str,
    requested_at: datetime,
    code_expires_at: datetime,
    link_expires_at: datetime,
) -> EmailMessage:
    """Prove that you read this mailbox. Without `code` (codes are off for the address), by link alone."""
    return _letter(
        "verify",
        frame,
        code=code,
        link=link,
        not_me_link=not_me_link,
        requested_at=requested_at,
        code_expires_at=code_expires_at,
        link_expires_at=link_expires_at,
    )


def exists(frame: Frame, *, sign_in_url: str, server: str | None) -> EmailMessage:
    """There is an account with this address already. `server`: what people call the homeserver."""
    return _letter("exists", frame, sign_in_url=sign_in_url, server=server)


def welcome(
    frame: Frame,
    *,
    display_name: str,
    user_id: str,
    address: str,
    server: str,
    client_url: str,
) -> EmailMessage:
    """The account was made. `address` is what the person signs in with."""
    return _letter(
        "welcome",
        frame,
        display_name=display_name,
        user_id=user_id,
        address=address,
        server=server,
        client_url=client_url,
    )


def server_ready(frame: Frame, *, server: str, link: str) -> EmailMessage:
    """The homeserver that was away is back; the account can be made."""
    return _letter("server_ready", frame, server=server, link=link)


def none(frame: Frame) -> EmailMessage:
    """No invitation waits for this address."""
    return _letter("none", frame)


def _letter(template: str, frame: Frame, **facts: Any) -> EmailMessage:
    languages = LANGUAGES if frame.language is None else (frame.language,)
    for_all = {
        "service": frame.service,
        "help_url": frame.help_url,
        "public_url": frame.public_url,
    }
    return build(
        write(template, languages, frame.templates_dir, for_all | facts),
        template=template,
        languages=languages,
        to=frame.to,
        sender=frame.sender,
        service=frame.service,
        reply_to=frame.reply_to,
        message_id=frame.message_id,
        date=frame.date,
    )
