"""From a mail row to the mail: everything secret in it (code, link) is made here, when it leaves."""

from datetime import datetime
from email.message import EmailMessage

from sqlalchemy.orm import Session

from domain_rules.mailboxes import address_of
from identity.mail import letters
from identity.mail.letters import Frame, Welcome
from identity.storage import accounts, homeservers
from identity.storage.accounts import Account
from identity.storage.mails import Mail, Template
from identity.storage.verification_requests import Reality, State, VerificationRequest
from identity.use_cases import codes, welcomes
from identity.use_cases.codes import CODE_LIFETIME
from identity.wiring import Wiring

from .list_letters import LIST_LETTERS
from .matrix_letters import MATRIX_LETTERS, NoLongerWanted, inviter_of, language_of

OTHERS = MATRIX_LETTERS | LIST_LETTERS
MOST_ROOMS = 3  # named in a mail

__all__ = ["NoLongerWanted", "letter"]


def letter(wired: Wiring, mail: Mail, now: datetime) -> tuple[EmailMessage, str]:
    """The mail as it goes out, and its envelope sender. Raises NoLongerWanted."""
    settings = wired.settings
    with wired.database.reading() as session:
        language = mail.language or language_of(session, mail)
    frame = Frame(
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
    with wired.database.reading() as session:
        message = _write(wired, session, frame, mail, now)
    return message, address_of(settings.mail_from)


def _write(
    wired: Wiring, session: Session, frame: Frame, mail: Mail, now: datetime
) -> EmailMessage:
    match template := Template(mail.template):
        case Template.VERIFY:
            return _verify(wired, session, frame, mail, now)
        case Template.EXISTS:
            server = _server_of(session, mail.address)
            return letters.exists(
                frame,
                sign_in_url=_client_url(wired, session, server),
                server=_label(session, server),
            )
        case Template.NONE:
            return letters.none(frame)
        case Template.WELCOME:
            account = session.get(Account, mail.subject_id)
            if account is None:
                raise NoLongerWanted
            return letters.welcome(
                frame,
                display_name=account.display_name,
                user_id=account.user_id,
                address=account.address,
                server=_label(session, account.homeserver) or account.homeserver,
                client_url=_client_url(wired, session, account.homeserver),
                welcome=_welcome(wired, session, account),
            )
        case Template.SERVER_READY:
            request = _request(session, mail)
            if request.state != State.CONFIRMED:
                raise NoLongerWanted
            return letters.server_ready(
                frame,
                server=_label(session, request.homeserver) or "",
                link=f"{frame.public_url}/v/{wired.tokens.link(request.id, 'verify')}",
            )
        case _:
            return OTHERS[template](wired, session, frame, mail, now)


def _verify(
    wired: Wiring, session: Session, frame: Frame, mail: Mail, now: datetime
) -> EmailMessage:
    request = _request(session, mail)
    if request.reality != Reality.VERIFY or not codes.is_mailable(request, now):
        raise NoLongerWanted
    off = codes.are_off(session, now, request.address)
    return letters.verify(
        frame,
        code=None if off else wired.tokens.code(request.id, request.code_generation),
        link=f"{frame.public_url}/v/{wired.tokens.link(request.id, 'verify')}",
        not_me_link=f"{frame.public_url}/n/{wired.tokens.link(request.id, 'not_me')}",
        requested_at=mail.created_at,
        code_expires_at=request.code_made_at + CODE_LIFETIME,
        link_expires_at=request.expires_at,
        inviter=inviter_of(wired, session, request.address, now),
    )


def _welcome(wired: Wiring, session: Session, account: Account) -> Welcome:
    told = welcomes.of(session, wired.rules.current(), account)
    return Welcome(
        rooms=told.rooms[:MOST_ROOMS],
        more=told.more + len(told.rooms[MOST_ROOMS:]),
        sponsor=told.sponsor,
        access_ends_at=told.access_ends_at,
    )


def _request(session: Session, mail: Mail) -> VerificationRequest:
    request = session.get(VerificationRequest, mail.subject_id)
    if request is None:
        raise NoLongerWanted
    return request


def _server_of(session: Session, address: str) -> str | None:
    account = accounts.of_address(session, address)
    return account.homeserver if account else None


def _label(session: Session, name: str | None) -> str | None:
    homeserver = homeservers.find(session, name) if name else None
    return homeserver.label if homeserver else name


def _client_url(wired: Wiring, session: Session, name: str | None) -> str:
    homeserver = homeservers.find(session, name) if name else None
    return (homeserver and homeserver.client_url) or wired.settings.client_url
