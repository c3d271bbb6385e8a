"""/n/<token>: “I don't know this person”, the link in mails about invitations.

It needs the code and can be undone. It declines the invitation and mutes its sender for the
mailbox.
"""

from datetime import datetime
from http import HTTPStatus

from flask import Response, request
from sqlalchemy.orm import Session

from identity.invitations import (
    inviters,
    muting,
    record as invitation_record,
    service as invitations,
    states as invitation_states,
)
from identity.invitations.models import OPEN, State, ThirdPartyInvitation
from identity.web import browser_cookie
from identity.web.code_form import TOO_LATE
from identity.web.rendering import Fault, go_to, render_page
from identity.web.request_context import services

from . import proof as mailbox_proof
from .other_inviters import find_others
from .proof import RESTORED

INVITED = "the invited person"
# It ended without the invited person, who may still mute its sender.
ENDED_OTHERWISE = (State.REVOKED, State.EXPIRED)


def show(token: str, faults: list[Fault] | None = None) -> Response:
    """What it does, and a field for the code. Viewing it changes nothing."""
    with services.database.reading() as session:
        found = mailbox_proof.find_invitation(session, token, "not_me")
        if found is None:
            return render_page("link_broken", status=HTTPStatus.NOT_FOUND)
        state = invitation_states.state_of(found, services.now())
        until = _undo_until(session, found)
        proof = mailbox_proof.proof_form_of(session, found, until=until)
        name, _ = inviters.name_and_organisation_of(session, services.rules.current(), found.sender)
        also = find_others(session, found)
    return render_page(
        "invitation_unknown",
        faults=faults or (),
        token=token,
        invitation=services.tokens.link(found.id, "invitation"),
        proof=proof,
        notice=mailbox_proof.notice_from_query(),
        masked=invitation_record.masked_address(found),
        inviter=name or found.sender,
        others=also,
        declined=state is State.DECLINED or until is not None,
        can_undo=until is not None and services.now() < until,
        over=state not in OPEN,
        can_still_say=state in ENDED_OTHERWISE,
    )


def decline(token: str) -> Response:
    """Decline the invitation, or undo that."""
    browser_id = browser_cookie.browser_id() or services.tokens.new_browser()
    with services.database.transaction() as session:
        found = mailbox_proof.find_invitation(session, token, "not_me")
        if found is None:
            return render_page("link_broken", status=HTTPStatus.NOT_FOUND)
        if "send" in request.form:
            return mailbox_proof.send_code(
                session, found, browser_id, page="refuse_page", token=token
            )
        given = mailbox_proof.is_given(session, found)
        until = _undo_until(session, found)
        faults = [] if given else mailbox_proof.try_code(session, found, browser_id, until=until)
        notice = None if faults else _change(session, found)
    if faults:
        return browser_cookie.set_cookie(show(token, faults), browser_id)
    if notice == RESTORED:
        back = services.tokens.link(found.id, "invitation")
        return go_to("invitation_page", token=back, notice=RESTORED)
    return go_to("refuse_page", token=token, notice=notice)


def _undo_until(session: Session, found: ThirdPartyInvitation) -> datetime | None:
    """Until when it can be undone; None if there is nothing to undo."""
    if found.state == State.DECLINED and found.ended_at is not None:
        return found.ended_at + invitations.UNDO_LIFETIME
    return muting.undo_until(session, services.hashes, address=found.address, sender=found.sender)


def _change(session: Session, found: ThirdPartyInvitation) -> str | None:
    """Decline or reopen the invitation, and mute or unmute its sender in all rooms."""
    now, hashes = services.now(), services.hashes
    who = {"address": found.address, "sender": found.sender}
    if "undo" in request.form:
        unmuted = muting.undo(session, hashes, now, **who)
        stands = invitations.undo_decline(session, now, found)
        return RESTORED if stands else None if unmuted else TOO_LATE
    declined = invitations.decline(session, now, found, unknown_inviter=True, by=INVITED)
    if declined or invitation_states.state_of(found, now) in ENDED_OTHERWISE:
        muting.mute(session, hashes, now, **who)
    return None
