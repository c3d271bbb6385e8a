"""Every mail Guichet writes, one function each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import UUID

from identity.translations import LANGUAGES

from .message import build
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

    @property
    def languages(self) -> tuple[str, ...]:
        return LANGUAGES if self.language is None else (self.language,)

    @property
    def help_url(self) -> str:
        """Where help is; our own page if the operator names none."""
        return self.support_url or f"{self.public_url}/help"


@dataclass(frozen=True, kw_only=True)
class Invitation:
    """What a mail says of one invitation. `inviter`: a name that was proved, if there is one.

    The code is that of all mails about invitations to this address.
    """

    link: str
    unknown_link: str
    opt_out_link: str
    code: str
    code_expires_at: datetime
    masked: str
    inviter: str | None
    organisation: str | None
    sender: str
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class Welcome:
    """What is told to who was invited: rooms by name and how many others, who answers for them, until when."""

    rooms: tuple[str, ...] = ()
    more: int = 0
    sponsor: str | None = None
    access_ends_at: datetime | None = None


def verify(
    frame: Frame,
    *,
    code: str,
    link: str,
    not_me_link: str,
    requested_at: datetime,
    code_expires_at: datetime,
    link_expires_at: datetime,
    device: str = "",
    others: Sequence[tuple[str, datetime]] = (),
    inviter: str | None = None,
) -> EmailMessage:
    """Prove that you read this mailbox.

    `device`: the browser that asked; `others`: those that asked too, and when, for they take the same
    code. `inviter`: whose invitation waits for the address.
    """
    return _letter(
        "verify",
        frame,
        code=code,
        link=link,
        not_me_link=not_me_link,
        requested_at=requested_at,
        code_expires_at=code_expires_at,
        link_expires_at=link_expires_at,
        device=device,
        others=others,
        inviter=inviter,
    )


def code_used(
    frame: Frame, *, device: str, used_at: datetime, not_me_link: str, lists: bool = False
) -> EmailMessage:
    """A code of this mailbox was typed, in a browser of the family `device`; and how to say that it was not you.

    `lists`: it opened the lists of people.
    """
    facts = {"device": device, "used_at": used_at, "not_me_link": not_me_link}
    return _letter("code_used", frame, lists=lists, **facts)


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
    welcome: Welcome,
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
        **vars(welcome),
    )


def server_ready(frame: Frame, *, server: str, link: str) -> EmailMessage:
    """The homeserver that was away is back; the account can be made."""
    return _letter("server_ready", frame, server=server, link=link)


def none(frame: Frame) -> EmailMessage:
    """No invitation waits for this address."""
    return _letter("none", frame)


def client_verify(
    frame: Frame,
    *,
    code: str,
    link: str,
    submit_link: str,
    user_id: str,
    requested_at: datetime,
    ends_at: datetime,
) -> EmailMessage:
    """A Matrix client wants the address proved for `user_id`.

    `submit_link` is the specification's own, for brands that ask for it.
    """
    facts = {
        "code": code,
        "link": link,
        "user_id": user_id,
        "requested_at": requested_at,
        "ends_at": ends_at,
    }
    own = {"token": code, "submit_link": submit_link}
    return _branded("verify.txt", "client_verify", frame, own, **facts)


def invite(frame: Frame, invitation: Invitation, *, own: Mapping[str, str]) -> EmailMessage:
    """Somebody wants to talk to the address.

    `own`: what only an operator's template shows, such as the name of the room.
    """
    return _branded("invite.txt", "invite", frame, own, sent_at=frame.date, **vars(invitation))


def reminder(frame: Frame, invitation: Invitation) -> EmailMessage:
    """The invitation still waits, and ends some day."""
    return _letter("reminder", frame, sent_at=frame.date, **vars(invitation))


def invite_digest(
    frame: Frame,
    newest: Invitation,
    *,
    number: int,
    inviters: Sequence[Invitation],
    more: int,
    template: str = "invite_digest",
) -> EmailMessage:
    """Several invitations in one mail, from `inviters` and from `more` others; the code is the newest one's.

    `inviters`: an invitation of each that is named, by whose link they can be refused.

    `template`: what it is counted as, an invitation, the digest of a day or a reminder.
    """
    of_them = {
        "number": number,
        "inviters": tuple(each.inviter or each.sender for each in inviters),
        "unknown_links": tuple(each.unknown_link for each in inviters),
        "more": more,
    }
    facts = {"sent_at": frame.date, **vars(newest), **of_them}
    return _letter("invite_digest", frame, template, **facts)


def not_invited(frame: Frame, *, addresses: Sequence[str], more: int) -> EmailMessage:
    """To who invited: these did not go, for their room did not take them, or nobody said that it had. Addresses masked."""
    return _letter("not_invited", frame, addresses=addresses, more=more)


def list_code(
    frame: Frame,
    *,
    code: str,
    link: str,
    requested_at: datetime,
    code_expires_at: datetime,
    device: str = "",
    others: Sequence[tuple[str, datetime]] = (),
) -> EmailMessage:
    """The code that shows an agent their lists of people. `device`, `others` as in `verify`."""
    facts = {"code": code, "link": link, "requested_at": requested_at}
    facts |= {"code_expires_at": code_expires_at, "device": device, "others": others}
    return _letter("list_code", frame, **facts)


def bulk_report(
    frame: Frame,
    *,
    room: str,
    file_name: str,
    link: str,
    started_at: datetime,
    sent: int,
    failed: int,
    unsent: int,
) -> EmailMessage:
    """What became of a list of people, for whoever sent it; it names nobody of the list."""
    facts = {"room": room, "file_name": file_name, "link": link, "started_at": started_at}
    numbers = {"sent": sent, "failed": failed, "unsent": unsent, "review": failed + unsent}
    return _letter("bulk_report", frame, **facts, **numbers)


def _branded(
    file: str, template: str, frame: Frame, own: Mapping[str, str], **facts: Any
) -> EmailMessage:
    """The operator's text where there is one, else ours."""
    path = frame.brand_dir / file if frame.brand_dir else None
    if path is None or not path.is_file():
        return _letter(template, frame, **facts)
    blank = _message(Written("", "", None), template, frame)
    headers = {
        "to": frame.to,
        "from": frame.sender,
        "messageid": str(blank["Message-ID"]),
        "date": str(blank["Date"]),
    }
    given = {"service": frame.service, "public_url": frame.public_url, "help_url": frame.help_url}
    written = by_the_operator(path, template, frame.languages, given | headers | facts | dict(own))
    return _message(written, template, frame, facts.get("opt_out_link"))


def _letter(template: str, frame: Frame, named: str | None = None, /, **facts: Any) -> EmailMessage:
    for_all = {
        "service": frame.service,
        "help_url": frame.help_url,
        "public_url": frame.public_url,
    }
    written = write(template, frame.languages, frame.templates_dir, for_all | facts)
    return _message(written, named or template, frame, facts.get("opt_out_link"))


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
