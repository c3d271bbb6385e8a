"""/n/<token> in the mail of an invitation: “I don't know this person”. It needs the code, and can be undone.

It ends the invitation, and mutes its sender for the mailbox.
"""

from datetime import datetime
from http import HTTPStatus

from flask import Response, request
from sqlalchemy.orm import Session

from identity.invitations import inviters, muting
from identity.invitations import service as invitations
from identity.invitations.models import OPEN, State, ThirdPartyInvitation
from identity.sign_up.pages import browser
from identity.sign_up.pages.check import TOO_LATE
from identity.web.rendering import Fault, go_to, page
from identity.web.request_context import services

from . import proof as mailbox_proof
from .other_inviters import others
from .proof import RESTORED

INVITED = "the invited person"
# It ended without a word of the invited person: they can say it all the same.
UNASKED = (State.REVOKED, State.EXPIRED)


def show(token: str, faults: list[Fault] | None = None) -> Response:
    """What it does, and a field for the code that shows who says it. Looking changes nothing."""
    with services.database.reading() as session:
        found = mailbox_proof.invited(session, token, "not_me")
        if found is None:
            return page("link_broken", status=HTTPStatus.NOT_FOUND)
        state = invitations.state_of(found, services.now())
        until = _undo_until(session, found)
        proof = mailbox_proof.proof_form_of(session, found, until=until)
        name, _ = inviters.inviter(session, services.rules.current(), found.sender)
        also = others(session, found)
    return page(
        "invitation_unknown",
        faults=faults or (),
        token=token,
        invitation=services.tokens.link(found.id, "invitation"),
        proof=proof,
        notice=mailbox_proof.notice(),
        masked=mailbox_proof.masked(found),
        inviter=name or found.sender,
        others=also,
        declined=state is State.DECLINED or until is not None,
        can_undo=until is not None and services.now() < until,
        over=state not in OPEN,
        can_still_say=state in UNASKED,
    )


def decline(token: str) -> Response:
    """Decline the invitation, or take that back."""
    known = browser.browser_id() or services.tokens.new_browser()
    with services.database.transaction() as session:
        found = mailbox_proof.invited(session, token, "not_me")
        if found is None:
            return page("link_broken", status=HTTPStatus.NOT_FOUND)
        if "send" in request.form:
            notice: str | None = mailbox_proof.send(session, found, known)
            return browser.mark(go_to("refuse_page", token=token, notice=notice), known)
        given = mailbox_proof.is_given(session, found)
        until = _undo_until(session, found)
        faults = [] if given else mailbox_proof.try_code(session, found, known, until=until)
        notice = None if faults else _change(session, found)
    if faults:
        return browser.mark(show(token, faults), known)
    if notice == RESTORED:
        back = services.tokens.link(found.id, "invitation")
        return go_to("invitation_page", token=back, notice=RESTORED)
    return go_to("refuse_page", token=token, notice=notice)


def _undo_until(session: Session, found: ThirdPartyInvitation) -> datetime | None:
    """Until when what was said can be taken back; None: nothing was."""
    if found.state == State.DECLINED and found.ended_at is not None:
        return found.ended_at + invitations.UNDO_LIFETIME
    return muting.undo_until(session, services.hashes, address=found.address, sender=found.sender)


def _change(session: Session, found: ThirdPartyInvitation) -> str | None:
    """The invitation, if it still stands; and whatever this sender sends later, in every room."""
    now, hashes = services.now(), services.hashes
    who = {"address": found.address, "sender": found.sender}
    if "undo" in request.form:
        heard = muting.undo(session, hashes, now, **who)
        stands = invitations.undo_decline(session, now, found)
        return RESTORED if stands else None if heard else TOO_LATE
    declined = invitations.decline(session, now, found, unknown_inviter=True, by=INVITED)
    if declined or invitations.state_of(found, now) in UNASKED:
        muting.mute(session, hashes, now, **who)
    return None
