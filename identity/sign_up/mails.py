"""The mails of a sign-up: a code, or what the mailbox is told in its place."""

from email.message import EmailMessage

from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from identity.accounts import classes, known_people
from identity.accounts import models as accounts
from identity.bulk_invites.sign_in_models import BulkInviteSignIn
from identity.core.one_time_codes import service as one_time_codes
from identity.core.one_time_codes.models import Purpose
from identity.homeservers import models as homeservers
from identity.invitations import inviters
from identity.invitations import models as third_party_invitations
from identity.invitations import service as invitations
from identity.mail import code_mails
from identity.mail import models as mails
from identity.mail import results as mail_results
from identity.mail.composing import Frame, compose
from identity.mail.kinds import Fate, MailKind, MailTurn, NoLongerWanted
from identity.mail.models import Mail, Template

from . import models, service
from .models import State, VerificationRequest


def decide(turn: MailTurn) -> Fate:
    """What the mailbox is told, now that the mail leaves: a code, that it has an account, that nothing waits.

    Whatever it is, a code comes to life as far as pages can show; without a code in the mail none is right.
    """
    session, mail, now = turn.session, turn.mail, turn.now
    mails.lock_address(session, mail.address)
    request = _served(session, turn, mail)
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
        has_account=accounts.of_address(session, mail.address) is not None,
    ):
        fate = Fate.SUPPRESSED
    elif code_mails.is_over_daily(session, mail):
        fate = Fate.WITHHELD
    if fate is not Fate.SENT or mail.template != Template.VERIFY:
        one_time_codes.carry(session, turn.tokens, now, Purpose.SIGN_UP, mail.address, told=False)
    if request is not None:
        mail.subject_id = request.id
    session.flush()
    return fate


def verify(turn: MailTurn, frame: Frame) -> EmailMessage:
    """Verify that you read this mailbox.

    It names the browser that asked, those that asked too (they take the same code), and whose
    invitation waits for the address.
    """
    session, mail, now = turn.session, turn.mail, turn.now
    request = _request(session, mail)
    code = one_time_codes.carry(session, turn.tokens, now, Purpose.SIGN_UP, mail.address)
    others = service.elsewhere(session, now, mail.address, browsers=(request.browser,))
    return compose(
        "verify",
        frame,
        code=one_time_codes.digits(turn.tokens, code),
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
    """The link to the page of this request."""
    return f"{frame.public_url}/v/{turn.tokens.link(request.id, 'verify')}"


def exists(turn: MailTurn, frame: Frame) -> EmailMessage:
    """There is an account with this address already, on the homeserver as people call it."""
    account = accounts.of_address(turn.session, turn.mail.address)
    name = account.homeserver if account else None
    homeserver = homeservers.find(turn.session, name) if name else None
    return compose(
        "exists",
        frame,
        sign_in_url=(homeserver and homeserver.client_url) or turn.settings.client_url,
        server=homeserver.label if homeserver else name,
    )


def none(_turn: MailTurn, frame: Frame) -> EmailMessage:
    """No invitation waits for this address."""
    return compose("none", frame)


def code_used(turn: MailTurn, frame: Frame) -> EmailMessage:
    """A code of this mailbox was typed, in which browser, and how to say that it was not you.

    It was for a sign-up, or to see one's lists of people.
    """
    lists = turn.session.get(BulkInviteSignIn, turn.mail.subject_id)
    used = lists or _request(turn.session, turn.mail)
    used_at = used.used_at if isinstance(used, BulkInviteSignIn) else used.confirmed_at
    return compose(
        "code_used",
        frame,
        device=used.device,
        used_at=used_at or turn.mail.created_at,
        not_me_link=_not_me_link(turn, frame, used),
        lists=lists is not None,
    )


VERIFY = MailKind(compose=verify, decide=decide)
EXISTS = MailKind(compose=exists, decide=decide)
NONE = MailKind(compose=none, decide=decide)
CODE_USED = MailKind(compose=code_used)


def _request(session: Session, mail: Mail) -> VerificationRequest:
    request = session.get(VerificationRequest, mail.subject_id)
    if request is None:
        raise NoLongerWanted
    return request


def _served(session: Session, turn: MailTurn, mail: Mail) -> VerificationRequest | None:
    """The request the mail was ordered for, or another that waits for the same address."""
    request = session.get(VerificationRequest, mail.subject_id)
    if (
        request is not None
        and request.state == State.OPEN
        and request.refused_at is None
        and turn.now < request.expires_at
    ):
        return request
    return models.newest_waiting(session, mail.address, turn.now)


def _not_me_link(
    turn: MailTurn, frame: Frame, asked: VerificationRequest | BulkInviteSignIn
) -> str:
    return f"{frame.public_url}/n/{turn.tokens.link(asked.id, 'not_me')}"


def _inviter_of(turn: MailTurn, address: str) -> str | None:
    """The name of who has an invitation waiting for this address, if it was proved."""
    for invitation in third_party_invitations.waiting_for(turn.session, address, turn.now):
        name, _ = inviters.inviter(turn.session, turn.rules, invitation.sender)
        if name and classes.is_agent(turn.session, turn.rules, invitation.sender):
            return name
    return None
