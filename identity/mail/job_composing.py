"""From a mail row to the mail: everything secret in it (code, link) is made here, when it leaves."""

from datetime import datetime
from email.message import EmailMessage

from sqlalchemy.orm import Session

from domain_rules.mailboxes import address_of
from identity.accounts import models as accounts
from identity.accounts.models import Account
from identity.bulk_invites.jobs.mails import LIST_LETTERS
from identity.bulk_invites.sign_in_models import ListSignIn
from identity.core.one_time_codes import service as one_time_codes
from identity.core.one_time_codes.models import Purpose
from identity.homeservers import models as homeservers
from identity.invitations.jobs.mails import MATRIX_LETTERS, NoLongerWanted, inviter_of, language_of
from identity.registration import welcomes
from identity.services import Wiring
from identity.sign_up import service as sign_up
from identity.sign_up.models import State, VerificationRequest

from . import composing as letters
from .composing import Frame, Welcome
from .models import Mail, Template

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
    # A code comes to life with the mail that carries it: committed before anything leaves, and not at
    # all if the mail is not wanted any more.
    with wired.database.transaction() as session:
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
            return _OTHERS[template](wired, session, frame, mail, now)


def _verify(
    wired: Wiring, session: Session, frame: Frame, mail: Mail, now: datetime
) -> EmailMessage:
    request = _request(session, mail)
    code = one_time_codes.carry(session, wired.tokens, now, Purpose.SIGN_UP, mail.address)
    others = sign_up.elsewhere(session, now, mail.address, browsers=(request.browser,))
    return letters.verify(
        frame,
        code=one_time_codes.digits(wired.tokens, code),
        link=f"{frame.public_url}/v/{wired.tokens.link(request.id, 'verify')}",
        not_me_link=_not_me_link(wired, frame, request),
        requested_at=mail.created_at,
        code_expires_at=code.alive_until,
        link_expires_at=request.expires_at,
        device=request.device,
        others=tuple((each.device, each.asked_at or each.created_at) for each in others),
        inviter=inviter_of(wired, session, request.address, now),
    )


def _code_used(
    wired: Wiring, session: Session, frame: Frame, mail: Mail, _now: datetime
) -> EmailMessage:
    lists = session.get(ListSignIn, mail.subject_id)
    used = lists or _request(session, mail)
    used_at = used.used_at if isinstance(used, ListSignIn) else used.confirmed_at
    return letters.code_used(
        frame,
        device=used.device,
        used_at=used_at or mail.created_at,
        not_me_link=_not_me_link(wired, frame, used),
        lists=lists is not None,
    )


def _not_me_link(wired: Wiring, frame: Frame, request: VerificationRequest | ListSignIn) -> str:
    return f"{frame.public_url}/n/{wired.tokens.link(request.id, 'not_me')}"


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


_OTHERS = MATRIX_LETTERS | LIST_LETTERS | {Template.CODE_USED: _code_used}
