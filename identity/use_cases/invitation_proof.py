"""Who types the code of an invitation's mail has the mailbox; what that opens, and in which language it was told."""

from datetime import datetime

from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from domain_rules.rules import RuleSet
from identity.storage import (
    accounts,
    associations,
    invitation_codes,
    invited_rooms,
    mails,
    third_party_invitations,
    verification_requests,
)
from identity.storage.third_party_invitations import ThirdPartyInvitation
from identity.storage.verification_requests import VerificationRequest
from identity.tokens import Tokens

from . import binding, codes, sign_up
from .codes import CodeAnswer, Result
from .invitations import CODE_LIFETIME, TRIES
from .sign_up import Step

DAY = codes.DAY
BOTH_LANGUAGES = ""  # nobody knows what the invited person reads

__all__ = [
    "TRIES",
    "ask_for_code",
    "asked_in",
    "code_expires_at",
    "has_code",
    "is_invited",
    "is_proved_in",
    "language_of",
    "open_request",
    "try_code",
    "type_code",
]


def code_expires_at(invitation: ThirdPartyInvitation) -> datetime:
    """When the code of its mail ends."""
    return (invitation.code_made_at or invitation.created_at) + CODE_LIFETIME


def has_code(
    session: Session,
    now: datetime,
    invitation: ThirdPartyInvitation,
    *,
    until: datetime | None = None,
) -> bool:
    """Whether the code of its mail can be typed now. `until` as for `type_code`."""
    expires_at = max(code_expires_at(invitation), until or now)
    is_usable = invitation.tries_left > 0 and now < expires_at
    return is_usable and not codes.are_off(session, now, invitation.address)


def type_code(
    session: Session,
    tokens: Tokens,
    now: datetime,
    invitation: ThirdPartyInvitation,
    code: str,
    *,
    until: datetime | None = None,
) -> CodeAnswer:
    """Try the code of the invitation's mail, whatever is to be done if it is right. Counts the try.

    `until`: what it did may be taken back with it for longer than a day.
    """
    expired_at = max(code_expires_at(invitation), until or code_expires_at(invitation))
    if now >= expired_at:
        return CodeAnswer(Result.EXPIRED, expired_at=expired_at)
    if codes.are_off(session, now, invitation.address):
        return CodeAnswer(Result.LOCKED, again_at=expired_at)
    left = invitation_codes.spend_try(session, invitation)
    if left is not None and tokens.is_code(code, invitation.id, invitation.code_generation):
        invitation_codes.give_try_back(session, invitation)
        return CodeAnswer(Result.RIGHT)
    if left:
        return CodeAnswer(Result.WRONG, tries_left=left)
    return CodeAnswer(Result.LOCKED, again_at=mails.again_at(session, now, invitation.address))


def try_code(
    session: Session,
    tokens: Tokens,
    now: datetime,
    invitation: ThirdPartyInvitation,
    code: str,
    *,
    browser: str | None,
    until: datetime | None = None,
) -> CodeAnswer:
    """The code of the invitation's mail, or of the one that this browser asked for since."""
    answer = type_code(session, tokens, now, invitation, code, until=until)
    asked = asked_in(session, now, invitation, browser=browser)
    if answer.result is Result.RIGHT or asked is None:
        return answer
    return sign_up.type_code(session, tokens, now, asked, code)


def ask_for_code(
    session: Session,
    rules: RuleSet,
    now: datetime,
    invitation: ThirdPartyInvitation,
    *,
    browser: str,
    language: str,
) -> bool:
    """Order the ordinary mail with a code to the invited address. False: it is too soon for another.

    `browser` is not the one under which requests show their address: who asks here may not know it.
    """
    mails.lock_address(session, invitation.address)
    if mails.again_at(session, now, invitation.address) > now:
        return False
    sign_up.start(
        session,
        rules,
        now,
        address=EmailAddress.stored(invitation.address),
        browser=browser,
        language=language,
    )
    return True


def asked_in(
    session: Session, now: datetime, invitation: ThirdPartyInvitation, *, browser: str | None
) -> VerificationRequest | None:
    """The open request for a code that this browser made from a page of an invitation."""
    found = _latest(session, invitation, browser)
    return found if found and sign_up.where(found, now) is Step.OPEN else None


def is_proved_in(
    session: Session, now: datetime, invitation: ThirdPartyInvitation, *, browser: str | None
) -> bool:
    """Whether this browser has proved the mailbox lately."""
    found = _latest(session, invitation, browser)
    return found is not None and sign_up.where(found, now) in {Step.CONFIRMED, Step.USED}


def open_request(
    session: Session,
    rules: RuleSet,
    now: datetime,
    invitation: ThirdPartyInvitation,
    *,
    browser: str,
    language: str,
) -> VerificationRequest:
    """The mailbox is proved in this browser: a confirmed request there leads to the account.

    If somebody is known by the address already, what waited for it goes to them.
    """
    bound = associations.of_address(session, invitation.address)
    if bound is not None:
        for waiting in third_party_invitations.waiting_for(session, invitation.address, now):
            binding.order_delivery(session, now, waiting, bound.user_id)
    return sign_up.open_confirmed(
        session,
        now,
        address=invitation.address,
        homeserver=rules.decide(EmailAddress.stored(invitation.address)).homeserver,
        browser=browser,
        language=language,
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


def _latest(
    session: Session, invitation: ThirdPartyInvitation, browser: str | None
) -> VerificationRequest | None:
    if browser is None:
        return None
    return verification_requests.latest_of(session, browser=browser, address=invitation.address)
