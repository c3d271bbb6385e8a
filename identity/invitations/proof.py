"""Who types the code of an invitation's mail has the mailbox; what that opens, and in which language it was told."""

from datetime import datetime

from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from domain_rules.rules import RuleSet
from identity.accounts import models as accounts
from identity.core.one_time_codes import service as one_time_codes
from identity.core.one_time_codes.models import Purpose
from identity.core.one_time_codes.service import CodeAnswer, Typed
from identity.core.tokens import Tokens
from identity.invitations import delivery
from identity.mail import models as mails
from identity.sign_up import models as verification_requests
from identity.sign_up import service as sign_up
from identity.sign_up.models import VerificationRequest
from identity.sign_up.service import Step
from identity.threepids import associations

from . import models as third_party_invitations
from . import rooms_waiting as invited_rooms
from .models import ThirdPartyInvitation
from .service import UNDO_LIFETIME

BOTH_LANGUAGES = ""  # nobody knows what the invited person reads


def has_code(
    session: Session,
    now: datetime,
    invitation: ThirdPartyInvitation,
    *,
    until: datetime | None = None,
) -> bool:
    """Whether the code of its mail can be typed now. `until` as for `type_code`."""
    address, since = invitation.address, _since(now, until)
    return one_time_codes.has_code(session, now, Purpose.INVITATION, address, since=since)


def type_code(
    session: Session,
    tokens: Tokens,
    now: datetime,
    invitation: ThirdPartyInvitation,
    code: str,
    *,
    browser: str | None = None,
    until: datetime | None = None,
    also: tuple[Purpose, ...] = (),
) -> CodeAnswer:
    """Try the code of the invitations' mails to its address. Counts the try if it is wrong.

    `browser`: which one it confirms; None: it confirms nobody, something is declined or taken back.
    `until`: what it did may be taken back with it for longer than a day. `also`: codes of these
    purposes are taken as well.
    """
    typed = Typed(code, held=True, browser=browser, since=_since(now, until))
    return one_time_codes.spend(
        session,
        tokens,
        now,
        Purpose.INVITATION,
        typed,
        address=invitation.address,
        also=also,
    )


def try_code(
    session: Session,
    tokens: Tokens,
    now: datetime,
    invitation: ThirdPartyInvitation,
    code: str,
    *,
    apart: str | None,
    browser: str | None = None,
    until: datetime | None = None,
) -> CodeAnswer:
    """The code of the invitation's mail, or of the one that this browser asked for since.

    `apart`: the name under which this browser asks on pages of an invitation.
    """
    mails.lock_address(session, invitation.address)  # before the code's, as the worker does
    asked = asked_in(session, now, invitation, browser=apart)
    also = (Purpose.SIGN_UP,) if asked else ()
    return type_code(
        session, tokens, now, invitation, code, browser=browser, until=until, also=also
    )


def ask_for_code(
    session: Session,
    rules: RuleSet,
    now: datetime,
    invitation: ThirdPartyInvitation,
    *,
    browser: str,
    language: str,
    device: str = "",
    again: bool = False,
) -> VerificationRequest:
    """Order the ordinary mail with a code to the invited address, for the first moment it may leave.

    `browser` is not the one under which requests show their address: who asks here may not know it.
    """
    return sign_up.start(
        session,
        rules,
        now,
        address=EmailAddress.stored(invitation.address),
        browser=browser,
        language=language,
        device=device,
        again=again,
    )


def asked_in(
    session: Session, now: datetime, invitation: ThirdPartyInvitation, *, browser: str | None
) -> VerificationRequest | None:
    """The open request for a code that this browser made from a page of an invitation."""
    if browser is None:
        return None
    found = verification_requests.latest_of(session, browser=browser, address=invitation.address)
    return found if found and sign_up.step_of(found, now) is Step.OPEN else None


def is_proved_in(
    session: Session, now: datetime, invitation: ThirdPartyInvitation, *, browser: str | None
) -> bool:
    """Whether this browser has proved the mailbox lately."""
    if browser is None:
        return False
    proved = verification_requests.proved_in(session, browser=browser, address=invitation.address)
    return proved is not None and sign_up.step_of(proved, now) in {Step.CONFIRMED, Step.USED}


def open_request(
    session: Session,
    rules: RuleSet,
    now: datetime,
    invitation: ThirdPartyInvitation,
    *,
    browser: str,
    language: str,
    device: str = "",
) -> VerificationRequest:
    """The mailbox is proved in this browser: a confirmed request there leads to the account.

    If somebody is known by the address already, what waited for it goes to them.
    """
    bound = associations.of_address(session, invitation.address)
    if bound is not None:
        for waiting in third_party_invitations.waiting_for(session, invitation.address, now):
            delivery.order_delivery(session, now, waiting, bound.user_id)
    return sign_up.open_confirmed(
        session,
        now,
        address=invitation.address,
        homeserver=rules.decide(EmailAddress.stored(invitation.address)).homeserver,
        browser=browser,
        language=language,
        device=device,
    )


def is_invited(session: Session, address: str) -> bool:
    """Whether invitations have come, or are coming, to whoever has this address."""
    bound = associations.of_address(session, address)
    return bool(bound and invited_rooms.taken_up(session, address, bound.user_id))


def language_of(session: Session, invitation: ThirdPartyInvitation) -> str:
    """What to write in: the invited person's language if it is known, else the inviter's, else both."""
    if invitation.language:
        return invitation.language
    account = accounts.of_address(session, invitation.address)
    if account is not None:
        return account.language
    asked = verification_requests.newest_for(session, invitation.address)
    if asked is not None:
        return asked.language
    inviter = accounts.of_user_id(session, invitation.sender)
    return inviter.language if inviter else BOTH_LANGUAGES


def _since(now: datetime, until: datetime | None) -> datetime:
    """When that was done which can be taken back until then; now if there is nothing of the kind."""
    return min(now, until - UNDO_LIFETIME) if until is not None and now < until else now
