"""On the pages of a mailed invitation: this browser has proved the mailbox already, or types a code of a mail."""

from dataclasses import dataclass
from datetime import datetime

from flask import request
from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from identity.context import wired
from identity.storage import mails, third_party_invitations
from identity.storage.third_party_invitations import ThirdPartyInvitation
from identity.tokens import Purpose
from identity.use_cases import invitation_proof
from identity.use_cases.codes import CodeAnswer, Result

from . import browser
from .check import SENT, SOON, TOO_LATE, code_faults, unfinished_code
from .languages import language, prefer
from .rendering import Fault
from .wording import clock, text

RESTORED = "restored"
NOTICES = {SENT, SOON, TOO_LATE, RESTORED}


@dataclass(frozen=True)
class Proof:
    """How the page asks. Not `is_given`: by the field of a code, by a button that has one mailed, or both."""

    is_given: bool
    has_field: bool
    has_button: bool
    asked_at: datetime | None  # when this browser last had a code mailed
    again_at: datetime  # when it may have another


def invited(session: Session, token: str, purpose: Purpose) -> ThirdPartyInvitation | None:
    """The invitation of a link, in whose language the page opens; None if it is cut, or long over."""
    invitation_id = wired.tokens.read_link(token, purpose)
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


def of(
    session: Session, invitation: ThirdPartyInvitation, *, until: datetime | None = None
) -> Proof:
    """What there is to prove the mailbox with, here and now. `until`: what was done can be taken back."""
    now = wired.now()
    asked = invitation_proof.asked_in(
        session, now, invitation, browser=browser.apart_hash(invitation.address)
    )
    has_code = invitation_proof.has_code(session, now, invitation, until=until)
    return Proof(
        is_given=is_given(session, invitation),
        has_field=has_code or asked is not None,
        has_button=not has_code,
        asked_at=asked.asked_at if asked else None,
        again_at=mails.again_at(session, now, invitation.address),
    )


def is_given(session: Session, invitation: ThirdPartyInvitation) -> bool:
    """Whether this browser has proved the mailbox lately."""
    known_as = browser.browser_hash()
    return invitation_proof.is_proved_in(session, wired.now(), invitation, browser=known_as)


def try_code(
    session: Session,
    invitation: ThirdPartyInvitation,
    known: str,
    *,
    until: datetime | None = None,
) -> list[Fault]:
    """Try the typed code; nothing to say if it was right. An old one has a new one mailed."""
    if faults := unfinished_code():
        return faults
    answered = invitation_proof.try_code(
        session,
        wired.tokens,
        wired.now(),
        invitation,
        request.form.get("code", ""),
        browser=browser.apart(known, invitation.address),
        until=until,
    )
    match answered:
        case CodeAnswer(result=Result.RIGHT):
            return []
        case CodeAnswer(result=Result.EXPIRED, mailed=False, expired_at=datetime() as ended):
            mailed = send(session, invitation, known) == SENT
            said = "code.expired" if mailed else "invitation.code_expired"
            return [Fault("code", text(said, time=clock(ended)))]
    return code_faults(answered)


def send(session: Session, invitation: ThirdPartyInvitation, known: str) -> str:
    """Have a code mailed to the invited address: what to say about that."""
    mailed = invitation_proof.ask_for_code(
        session,
        wired.rules.current(),
        wired.now(),
        invitation,
        browser=browser.apart(known, invitation.address),
        language=language(),
    )
    return SENT if mailed else SOON
