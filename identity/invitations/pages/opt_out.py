"""/d/<token>: ends invitations by mail, by one click in a mail program or by the mailed code."""

from http import HTTPStatus

from flask import Response, make_response, request
from sqlalchemy.orm import Session

from identity.invitations import opting_out, record as invitation_record
from identity.invitations.models import ThirdPartyInvitation
from identity.web import browser_cookie
from identity.web.code_form import TOO_LATE
from identity.web.rendering import Fault, go_to, render_page
from identity.web.request_context import services
from identity.web.site import blueprint, is_one_click_unsubscribe

from . import proof as mailbox_proof
from .proof import RESTORED


@blueprint.get("/d/<mailed:token>")
def opt_out_page(token: str) -> Response:
    """What ends and what does not, and a field for the code."""
    return _page(token)


@blueprint.post("/d/<mailed:token>")
def opt_out(token: str) -> Response:
    """Stop the mails, or allow them again. The invitation itself stays as it is."""
    if is_one_click_unsubscribe():
        return _one_click(token)
    browser_id = browser_cookie.browser_id() or services.tokens.new_browser()
    with services.database.transaction() as session:
        found = mailbox_proof.find_invitation(session, token, "opt_out")
        if found is None:
            return go_to("opt_out_page", token=token)
        if "send" in request.form:
            return mailbox_proof.send_code(
                session, found, browser_id, page="opt_out_page", token=token
            )
        given = mailbox_proof.is_given(session, found)
        until = opting_out.undo_until(session, services.hashes, found.address)
        faults = [] if given else mailbox_proof.try_code(session, found, browser_id, until=until)
        notice = None if faults else _change(session, found)
    if faults:
        return browser_cookie.set_cookie(_page(token, faults), browser_id)
    return go_to("opt_out_page", token=token, notice=notice)


def _one_click(token: str) -> Response:
    with services.database.transaction() as session:
        found = mailbox_proof.find_invitation(session, token, "opt_out")
        if found is None:
            return make_response("", HTTPStatus.NOT_FOUND)
        opting_out.opt_out(session, services.hashes, services.now(), found.address)
    return make_response("", HTTPStatus.OK)


def _change(session: Session, found: ThirdPartyInvitation) -> str | None:
    now = services.now()
    if "undo" in request.form:
        undone = opting_out.undo(session, services.hashes, now, found.address)
        return RESTORED if undone else TOO_LATE
    opting_out.opt_out(session, services.hashes, now, found.address)
    return None


def _page(token: str, faults: list[Fault] | None = None) -> Response:
    with services.database.reading() as session:
        found = mailbox_proof.find_invitation(session, token, "opt_out")
        if found is None:
            return render_page("link_broken", status=HTTPStatus.NOT_FOUND)
        undo_until = opting_out.undo_until(session, services.hashes, found.address)
        proof = mailbox_proof.proof_form_of(session, found, until=undo_until)
    return render_page(
        "opt_out",
        faults=faults or (),
        token=token,
        proof=proof,
        notice=mailbox_proof.notice_from_query(),
        masked=invitation_record.masked_address(found),
        stopped=undo_until is not None,
        can_undo=undo_until is not None and services.now() < undo_until,
    )
