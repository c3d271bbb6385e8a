"""Verifies the mailbox on the pages of an invitation: by this browser's past, or by a code."""

from dataclasses import dataclass, replace
from datetime import datetime

from flask import Response, request
from sqlalchemy.orm import Session

from identity.core.one_time_codes.service import Result
from identity.core.tokens import Purpose
from identity.invitations import models as third_party_invitations, proof as invitation_proof
from identity.invitations.models import ThirdPartyInvitation
from identity.sign_up.models import VerificationRequest
from identity.web import browser_cookie
from identity.web.code_form import (
    SENT,
    TOO_LATE,
    code_faults,
    is_mail_held,
    unfinished_code,
)
from identity.web.rendering import Fault, go_to
from identity.web.request_context import services
from identity.web.wording import language, prefer_language

RESTORED = "restored"
NOTICES = {SENT, TOO_LATE, RESTORED}


@dataclass(frozen=True)
class ProofForm:
    """How a page asks for verification, unless `is_given`.

    By a field for a code, a button that mails one, or both.
    """

    is_given: bool
    has_field: bool
    has_button: bool
    mail_at: datetime | None  # when the code requested by this browser is or was sent
    waits: bool  # it is not sent yet
    is_held: bool  # operators have frozen mails


def find_invitation(session: Session, token: str, purpose: Purpose) -> ThirdPartyInvitation | None:
    """The invitation of a link, and the page's language set to its own.

    None if the link is damaged or the invitation's address is deleted.
    """
    invitation_id = services.tokens.read_link(token, purpose)
    found = third_party_invitations.find(session, invitation_id) if invitation_id else None
    if found is None or "@" not in found.address:
        return None
    if known_language := invitation_proof.language_of(session, found):
        prefer_language(known_language)
    return found


def notice_from_query() -> str | None:
    """The notice to show about the last action, from the query."""
    asked = request.args.get("notice")
    return asked if asked in NOTICES else None


def proof_form_of(
    session: Session, invitation: ThirdPartyInvitation, *, until: datetime | None = None
) -> ProofForm:
    """How this browser can verify the mailbox. `until`: an action can be undone until then."""
    now = services.now()
    asked = invitation_proof.find_request(
        session, now, invitation, browser=browser_cookie.invitation_browser_hash(invitation.address)
    )
    has_code = invitation_proof.has_code(session, now, invitation, until=until)
    return ProofForm(
        is_given=is_given(session, invitation),
        has_field=has_code or asked is not None,
        has_button=not has_code,
        mail_at=asked.mail_at if asked else None,
        waits=bool(asked and asked.mail_at and asked.mail_at > now),
        is_held=bool(asked and asked.mail_at and is_mail_held(asked.address, asked.mail_at)),
    )


def is_given(session: Session, invitation: ThirdPartyInvitation) -> bool:
    """Whether this browser verified the mailbox lately."""
    known_as = browser_cookie.browser_hash()
    return invitation_proof.is_verified_in(session, services.now(), invitation, browser=known_as)


def try_code(
    session: Session,
    invitation: ThirdPartyInvitation,
    browser_id: str,
    *,
    until: datetime | None = None,
    confirms: bool = False,
) -> list[Fault]:
    """Try the typed code; returns the faults to show, none if it was right.

    If the code has ended, the next one is mailed. `confirms`: a right code is used up by this
    browser.
    """
    if faults := unfinished_code():
        return faults
    answered = invitation_proof.try_code(
        session,
        services.tokens,
        services.now(),
        invitation,
        request.form.get("code", ""),
        apart=browser_cookie.invitation_browser_hash_of(browser_id, invitation.address),
        browser=services.tokens.browser_hash(browser_id) if confirms else None,
        until=until,
    )
    if answered.result is Result.RIGHT:
        return []
    if answered.result is Result.OVER:
        asked = _request_code(session, invitation, browser_id, again=answered.is_used)
        answered = replace(answered, mail_at=asked.mail_at)
    return code_faults(answered, held=True)


def send_code(
    session: Session, invitation: ThirdPartyInvitation, browser_id: str, *, page: str, token: str
) -> Response:
    """Mail a code to the invited address, and go back to the page."""
    _request_code(session, invitation, browser_id)
    return browser_cookie.set_cookie(go_to(page, token=token, notice=SENT), browser_id)


def _request_code(
    session: Session, invitation: ThirdPartyInvitation, browser_id: str, *, again: bool = False
) -> VerificationRequest:
    return invitation_proof.ask_for_code(
        session,
        services.rules.current(),
        services.now(),
        invitation,
        browser=browser_cookie.invitation_browser_hash_of(browser_id, invitation.address),
        language=language(),
        device=browser_cookie.device(),
        again=again,
    )
