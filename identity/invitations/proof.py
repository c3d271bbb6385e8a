"""Verifies an invited person's mailbox by a mailed code, and what a verified mailbox allows."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from domain_rules.rules import RuleSet
from identity.accounts import models as accounts
from identity.core import foreseen
from identity.core.one_time_codes import service as one_time_codes
from identity.core.one_time_codes.models import Purpose
from identity.core.one_time_codes.service import CodeAnswer, TypedCode
from identity.core.tokens import Tokens
from identity.invitations import delivery
from identity.mail import models as mails
from identity.sign_up import models as verification_requests, service as sign_up, visibility
from identity.sign_up.models import VerificationRequest
from identity.sign_up.visibility import Step
from identity.threepids import associations

from . import models as third_party_invitations
from .models import ThirdPartyInvitation
from .service import UNDO_LIFETIME

LANGUAGE: Final = "language of an invitation"
ALL_LANGUAGES = ""  # the invited person's language is unknown


def has_code(
    session: Session,
    now: datetime,
    invitation: ThirdPartyInvitation,
    *,
    until: datetime | None = None,
) -> bool:
    """Whether a code of the invitation's mail can be typed now. `until`: as for `type_code`."""
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
    """Try the code of the mails about invitations to this address. A wrong one counts as a try.

    `browser`: the browser (its hash) that the code verifies; None: it verifies none, something is
    declined or undone. `until`: the end of the time to undo; an action can be undone with the code
    of its mail for longer than the code's day. `also`: codes of these purposes are accepted as
    well.
    """
    typed = TypedCode(code, held=True, browser=browser, since=_since(now, until))
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
    """Try the code of the invitation's mail, or of the mail that this browser requested since.

    `apart`: the name that this browser uses on pages of an invitation.
    """
    mails.lock_address(session, invitation.address)  # before the code's lock, in the worker's order
    asked = find_request(session, now, invitation, browser=apart)
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
    """Order a mail with a code to the invited address, for the first time it may be sent.

    `browser` is not the browser's ordinary name, under which requests show their address: the
    person who asks here may not know the address.
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


def find_request(
    session: Session, now: datetime, invitation: ThirdPartyInvitation, *, browser: str | None
) -> VerificationRequest | None:
    """The open request for a code that this browser made on a page of an invitation."""
    if browser is None:
        return None
    found = verification_requests.latest_of(session, browser=browser, address=invitation.address)
    return found if found and visibility.step_of(found, now) is Step.OPEN else None


def is_verified_in(
    session: Session, now: datetime, invitation: ThirdPartyInvitation, *, browser: str | None
) -> bool:
    """Whether this browser verified the mailbox lately."""
    if browser is None:
        return False
    proved = verification_requests.find_verified(
        session, browser=browser, address=invitation.address
    )
    return proved is not None and visibility.step_of(proved, now) in {Step.CONFIRMED, Step.USED}


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
    """Open a confirmed request in this browser, which leads to the account's page.

    If somebody already has the address, the invitations that waited for it are delivered to them.
    """
    bound = associations.find_by_address(session, invitation.address)
    if bound is not None:
        for waiting in third_party_invitations.find_waiting(session, invitation.address, now):
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
    """Whether the owner of this address has taken up invitations."""
    bound = associations.find_by_address(session, address)
    return bool(bound and third_party_invitations.find_taken_up(session, address, bound.user_id))


def language_of(session: Session, invitation: ThirdPartyInvitation) -> str:
    """The language to write in: the invited person's, else the inviter's, else all."""
    return foreseen.recall(
        session, LANGUAGE, invitation.id, lambda: _languages(session, [invitation])[invitation.id]
    )


def foresee_languages(session: Session, invitations: Sequence[ThirdPartyInvitation]) -> None:
    """Read at once what `language_of` will be asked."""
    foreseen.remember(session, LANGUAGE, _languages(session, invitations))


def _languages(session: Session, invitations: Sequence[ThirdPartyInvitation]) -> dict[UUID, str]:
    found = {each.id: each.language for each in invitations if each.language}
    for find, name in (
        (accounts.find_languages, "address"),
        (verification_requests.find_languages, "address"),
        (accounts.find_languages_of_users, "sender"),
    ):
        if open_ones := [each for each in invitations if each.id not in found]:
            of = find(session, {getattr(each, name) for each in open_ones})
            found |= {e.id: of[getattr(e, name)] for e in open_ones if getattr(e, name) in of}
    return {each.id: found.get(each.id, ALL_LANGUAGES) for each in invitations}


def _since(now: datetime, until: datetime | None) -> datetime:
    """When the action happened that can be undone until `until`; `now` if there is none."""
    return min(now, until - UNDO_LIFETIME) if until is not None and now < until else now
