"""On the pages of a mailed invitation: this browser has proved the mailbox already, or types a code of a mail."""

from dataclasses import dataclass, replace
from datetime import datetime

from flask import request
from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from identity.core.one_time_codes.service import Result
from identity.core.tokens import Purpose
from identity.invitations import models as third_party_invitations
from identity.invitations import proof as invitation_proof
from identity.invitations.models import ThirdPartyInvitation
from identity.sign_up.models import VerificationRequest
from identity.sign_up.pages import browser
from identity.sign_up.pages.check import SENT, TOO_LATE, code_faults, unfinished_code
from identity.web.languages import language, prefer
from identity.web.rendering import Fault
from identity.web.request_context import services

RESTORED = "restored"
NOTICES = {SENT, TOO_LATE, RESTORED}


@dataclass(frozen=True)
class Proof:
    """How the page asks. Not `is_given`: by the field of a code, by a button that has one mailed, or both."""

    is_given: bool
    has_field: bool
    has_button: bool
    mail_at: datetime | None  # when the code leaves, or left, that this browser asked for
    waits: bool  # it has not left yet


def invited(session: Session, token: str, purpose: Purpose) -> ThirdPartyInvitation | None:
    """The invitation of a link, in whose language the page opens; None if it is cut, or long over."""
    invitation_id = services.tokens.read_link(token, purpose)
    found = third_party_invitations.find(session, invitation_id) if invitation_id else None
    if found is None or "@" not in found.address:
        return None
    if known := invitation_proof.language_of(session, found):
        prefer(known)
    return found


def notice() -> str | None:
    """What the page is to say about what was just done."""
    asked = request.args.get("notice")
    return asked if asked in NOTICES else None


def masked(invitation: ThirdPartyInvitation) -> str:
    """The invited address as whoever holds the link may see it."""
    return EmailAddress.stored(invitation.address).masked


def proof_form_of(
    session: Session, invitation: ThirdPartyInvitation, *, until: datetime | None = None
) -> Proof:
    """What there is to prove the mailbox with, here and now. `until`: what was done can be taken back."""
    now = services.now()
    asked = invitation_proof.asked_in(
        session, now, invitation, browser=browser.apart_hash(invitation.address)
    )
    has_code = invitation_proof.has_code(session, now, invitation, until=until)
    return Proof(
        is_given=is_given(session, invitation),
        has_field=has_code or asked is not None,
        has_button=not has_code,
        mail_at=asked.mail_at if asked else None,
        waits=bool(asked and asked.mail_at and asked.mail_at > now),
    )


def is_given(session: Session, invitation: ThirdPartyInvitation) -> bool:
    """Whether this browser has proved the mailbox lately."""
    known_as = browser.browser_hash()
    return invitation_proof.is_proved_in(session, services.now(), invitation, browser=known_as)


def try_code(
    session: Session,
    invitation: ThirdPartyInvitation,
    known: str,
    *,
    until: datetime | None = None,
    confirms: bool = False,
) -> list[Fault]:
    """Try the typed code; nothing to say if it was right. One that has ended has the next one mailed.

    `confirms`: a right code is used up by this browser, which goes on with it.
    """
    if faults := unfinished_code():
        return faults
    answered = invitation_proof.try_code(
        session,
        services.tokens,
        services.now(),
        invitation,
        request.form.get("code", ""),
        apart=browser.apart(known, invitation.address),
        browser=services.tokens.browser_hash(known) if confirms else None,
        until=until,
    )
    if answered.result is Result.RIGHT:
        return []
    if answered.result is Result.OVER:
        asked = _ask(session, invitation, known, again=answered.is_used)
        answered = replace(answered, mail_at=asked.mail_at)
    return code_faults(answered, held=True)


def send(session: Session, invitation: ThirdPartyInvitation, known: str) -> str:
    """Have a code mailed to the invited address: what to say about that."""
    _ask(session, invitation, known)
    return SENT


def _ask(
    session: Session, invitation: ThirdPartyInvitation, known: str, *, again: bool = False
) -> VerificationRequest:
    return invitation_proof.ask_for_code(
        session,
        services.rules.current(),
        services.now(),
        invitation,
        browser=browser.apart(known, invitation.address),
        language=language(),
        device=browser.device(),
        again=again,
    )
