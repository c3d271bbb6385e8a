"""The mails of a sign-up: the code, or the reason why the address gets none."""

from collections.abc import Sequence
from datetime import datetime
from email.message import EmailMessage

from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from identity.accounts import classes as account_classes, known_people, models as accounts
from identity.bulk_invites.sign_in_models import BulkInviteSignIn
from identity.core.keyed_hashes import KeyedHashes
from identity.core.one_time_codes import service as one_time_codes
from identity.core.one_time_codes.models import Purpose
from identity.homeservers import models as homeservers
from identity.homeservers.clients import client_link
from identity.invitations import inviters, models as third_party_invitations, service as invitations
from identity.mail import code_mails, models as mails, results as mail_results
from identity.mail.composing import Frame, compose
from identity.mail.kinds import Fate, MailKind, MailTurn, NoLongerWanted
from identity.mail.models import Mail
from identity.mail.quota import Template

from . import models as verification_requests, service
from .models import State, VerificationRequest


def foresee(
    session: Session, _hashes: KeyedHashes, now: datetime, found: Sequence[Mail]
) -> Sequence[VerificationRequest]:
    """Read the requests of these mails, and the codes of their addresses."""
    one_time_codes.foresee(session, now, Purpose.SIGN_UP, {mail.address for mail in found})
    return verification_requests.find_all(session, [mail.subject_id for mail in found])


def decide(turn: MailTurn) -> Fate:
    """Choose the mail's template when the mail is about to leave, and say whether it leaves.

    The template is VERIFY (a code), EXISTS (the address has an account) or NONE (the address may
    not register). In each case the one-time code is started, so that the pages look the same;
    where the mail carries no code, no typed code is right.
    """
    session, mail, now = turn.session, turn.mail, turn.now
    mails.lock_address(session, mail.address)
    request = _request_served_by(session, turn, mail)
    has_account = known_people.has_account(session, mail.address)
    if has_account:
        mail.template = Template.EXISTS
    elif invitations.may_register(session, turn.rules, now, EmailAddress.stored(mail.address)):
        mail.template = Template.VERIFY
    else:
        mail.template = Template.NONE
    fate = Fate.SENT
    if request is None:
        fate = Fate.DROPPED
    elif mail_results.is_suppressed(
        session,
        turn.hashes,
        now,
        mail,
        has_account=accounts.find_by_address(session, mail.address) is not None,
    ):
        fate = Fate.SUPPRESSED
    elif code_mails.is_over_daily(session, mail):
        fate = Fate.WITHHELD
    if fate is not Fate.SENT or mail.template != Template.VERIFY:
        one_time_codes.issue_for_mail(
            session, turn.tokens, now, Purpose.SIGN_UP, mail.address, in_mail=False
        )
    if request is not None:
        mail.subject_id = request.id
    session.flush()
    return fate


def verify(turn: MailTurn, frame: Frame) -> EmailMessage:
    """The mail with the code and the link.

    It names the browser that made the request, the other browsers with a request for the same
    address (the same code works in them), and the inviter whose invitation waits for the address.
    """
    session, mail, now = turn.session, turn.mail, turn.now
    request = _request(session, mail)
    code = one_time_codes.issue_for_mail(session, turn.tokens, now, Purpose.SIGN_UP, mail.address)
    others = service.find_elsewhere(session, now, mail.address, browsers=(request.browser,))
    return compose(
        "verify",
        frame,
        code=one_time_codes.digits_of(turn.tokens, code),
        link=_verify_link(turn, frame, request),
        not_me_link=_not_me_link(turn, frame, request),
        requested_at=mail.created_at,
        code_expires_at=code.alive_until,
        link_expires_at=request.expires_at,
        device=request.device,
        others=tuple((each.device, each.asked_at or each.created_at) for each in others),
        inviter=_inviter_of(turn, request.address),
    )


def _verify_link(turn: MailTurn, frame: Frame, request: VerificationRequest) -> str:
    """The URL of the page `/v/…` of this request."""
    return f"{frame.public_url}/v/{turn.tokens.link(request.id, 'verify')}"


def exists(turn: MailTurn, frame: Frame) -> EmailMessage:
    """The mail for an address that already has an account; it names the homeserver."""
    account = accounts.find_by_address(turn.session, turn.mail.address)
    name = account.homeserver if account else None
    homeserver = homeservers.find(turn.session, name) if name else None
    return compose(
        "exists",
        frame,
        sign_in_url=client_link(homeserver, turn.settings),
        server=homeserver.label if homeserver else name,
    )


def none(_turn: MailTurn, frame: Frame) -> EmailMessage:
    """The mail for an address that may not register, since no invitation waits for it."""
    return compose("none", frame)


def code_used(turn: MailTurn, frame: Frame) -> EmailMessage:
    """The mail that tells that a code was used, in which browser, with the link "not me".

    The code belonged to a sign-up, or to a sign-in to the pages of bulk invites.
    """
    sign_in = turn.session.get(BulkInviteSignIn, turn.mail.subject_id)
    used = sign_in or _request(turn.session, turn.mail)
    used_at = used.used_at if isinstance(used, BulkInviteSignIn) else used.confirmed_at
    return compose(
        "code_used",
        frame,
        device=used.device,
        used_at=used_at or turn.mail.created_at,
        not_me_link=_not_me_link(turn, frame, used),
        lists=sign_in is not None,
    )


def tell_late(session: Session, mail: Mail, was: datetime) -> None:
    """The pages of those who wait say when the mail leaves."""
    verification_requests.record_moved_mail(session, mail.address, was=was, is_now=mail.goes_at)


VERIFY = MailKind(compose=verify, foresee=foresee, decide=decide, on_late=tell_late)
EXISTS = MailKind(compose=exists, decide=decide, on_late=tell_late)
NONE = MailKind(compose=none, decide=decide, on_late=tell_late)
CODE_USED = MailKind(compose=code_used)


def _request(session: Session, mail: Mail) -> VerificationRequest:
    request = session.get(VerificationRequest, mail.subject_id)
    if request is None:
        raise NoLongerWanted
    return request


def _request_served_by(session: Session, turn: MailTurn, mail: Mail) -> VerificationRequest | None:
    """The request the mail was ordered for if it still waits, else the newest one that does."""
    request = session.get(VerificationRequest, mail.subject_id)
    if (
        request is not None
        and request.state == State.OPEN
        and request.refused_at is None
        and turn.now < request.expires_at
    ):
        return request
    return verification_requests.find_newest_waiting(session, mail.address, turn.now)


def _not_me_link(
    turn: MailTurn, frame: Frame, asked: VerificationRequest | BulkInviteSignIn
) -> str:
    return f"{frame.public_url}/n/{turn.tokens.link(asked.id, 'not_me')}"


def _inviter_of(turn: MailTurn, address: str) -> str | None:
    """The display name of an agent whose invitation waits for this address."""
    for invitation in third_party_invitations.find_waiting(turn.session, address, turn.now):
        name, _ = inviters.name_and_organisation_of(turn.session, turn.rules, invitation.sender)
        if name and account_classes.is_agent(turn.session, turn.rules, invitation.sender):
            return name
    return None
