"""/v/<token> and /n/<token>: the links of a mail. A link alone moves nothing; the cookie or the code does."""

from functools import partial
from http import HTTPStatus
from typing import Any

from flask import Response, request
from sqlalchemy.orm import Session

from identity.core.one_time_codes.service import Result
from identity.core.tokens import Purpose
from identity.sign_up import service as sign_up
from identity.sign_up.models import State, VerificationRequest
from identity.sign_up.service import Step
from identity.web.request_context import services

from .bulk_invites.pages import not_me as list_not_me
from .bulk_invites.pages import sign_in as list_sign_in
from .invitations.pages import unknown_inviter
from .sign_up.pages import browser
from .sign_up.pages.check import TOO_LATE, code_faults, shown, unfinished_code
from .threepids import pages as client_link
from .web.languages import language, prefer
from .web.rendering import Fault, go_to, page
from .web.site import blueprint

RESTORED = "restored"


@blueprint.get("/v/<mailed:token>")
def verify_page(token: str) -> Response:
    """A button for the browser that asked, a field for the code in any other."""
    with services.database.reading() as session:
        mailed = _mailed(session, token, "verify")
    if mailed is None:
        return browser.introduce(list_sign_in.show_link(token) or client_link.show(token))
    return browser.introduce(_verify_page(token, mailed))


@blueprint.post("/v/<mailed:token>")
def verify(token: str) -> Response:
    """Confirm here by the button, or by the code in another browser: that one goes on by itself."""
    with services.database.reading() as session:
        mailed = _mailed(session, token, "verify")
    if mailed is None:
        return list_sign_in.try_code_of_link(token) or client_link.try_code(token)
    with services.database.reading() as session:
        again = browser.again(session, partial(_is_same_proof, session, mailed))
    if again:
        return browser.mark(go_to("account_page", n=again.request.ordinal), again.browser_id)
    return _confirm_here(mailed) if _is_same(mailed) else _open_here(token, mailed)


@blueprint.get("/n/<mailed:token>")
def refuse_page(token: str) -> Response:
    """Not me: a button for the browser that asked, the code in any other."""
    with services.database.reading() as session:
        mailed = _mailed(session, token, "not_me")
    if mailed is None:
        return browser.introduce(list_not_me.show(token) or unknown_inviter.show(token))
    return browser.introduce(_refuse_page(token, mailed))


@blueprint.post("/n/<mailed:token>")
def refuse(token: str) -> Response:
    """Cancel the request, or take the cancelling back."""
    undo = "undo" in request.form
    with services.database.reading() as session:
        mailed = _mailed(session, token, "not_me")
    if mailed is None:
        return list_not_me.end_sessions(token) or unknown_inviter.decline(token)
    known = browser.browser_id() or services.tokens.new_browser()
    with services.database.transaction() as session:
        mailed = session.get_one(VerificationRequest, mailed.id)
        if _is_same(mailed):
            done, faults = _refuse_here(session, mailed, undo=undo)
        else:
            done, faults = _refuse_by_code(session, mailed, known, undo=undo)
    if faults:
        return browser.mark(_refuse_page(token, mailed, faults), known)
    if not undo and not _is_same(mailed) and mailed.state == State.USED:
        return browser.mark(page("refuse", token=token, same=False, stands=Step.USED), known)
    notice = (RESTORED if done else TOO_LATE) if undo else None
    return browser.mark(go_to("refuse_page", token=token, notice=notice), known)


def _is_same_proof(
    session: Session, mailed: VerificationRequest, confirmed: VerificationRequest
) -> bool:
    """Whether the form is sent a second time that confirmed this request: with the code, or by the button."""
    if "code" in request.form:
        return confirmed.address == mailed.address and browser.has_just_typed(session, confirmed)
    return confirmed.id == mailed.id or (confirmed.address == mailed.address and _is_apart(mailed))


def _mailed(session: Session, token: str, purpose: Purpose) -> VerificationRequest | None:
    request_id = services.tokens.read_link(token, purpose)
    found = sign_up.by_token_id(session, request_id) if request_id else None
    if found:
        prefer(found.language)
    return found


def _is_same(mailed: VerificationRequest) -> bool:
    return mailed.browser == browser.browser_hash() or _is_apart(mailed)


def _is_apart(mailed: VerificationRequest) -> bool:
    """Asked for in this browser, on the page of an invitation."""
    return mailed.browser == browser.apart_hash(mailed.address)


def _seen(mailed: VerificationRequest) -> Step:
    """Where it stands for this browser: by the link alone nobody learns what came of the address."""
    return sign_up.seen_in(mailed, services.now(), browsers=browser.names(mailed.address))


def _broken() -> Response:
    return page("link_broken", status=HTTPStatus.NOT_FOUND)


def _verify_page(
    token: str, mailed: VerificationRequest, faults: list[Fault] | None = None
) -> Response:
    apart = _is_apart(mailed)
    same = _is_same(mailed) and not apart
    step = _seen(mailed)
    known: dict[str, Any] = {
        "token": token,
        "same": same,
        "n": None if apart else mailed.ordinal,
        "address": shown(mailed.address),
    }
    match step:
        case Step.USED:
            return page("link_used", **known)
        case Step.CANCELLED:
            return page("link_cancelled", **known)
        case Step.EXPIRED:
            return page("link_expired", expired_at=mailed.expires_at, **known)
        case Step.CONFIRMED if same:
            return page("link_confirmed", **known)
    name = "link_confirm" if same or apart else "link_code"
    return page(name, faults=faults or (), **known)


def _confirm_here(mailed: VerificationRequest) -> Response:
    known = browser.browser_id() or ""
    with services.database.transaction() as session:
        own = sign_up.by_token_id(session, mailed.id)
        confirmed = own is not None and sign_up.confirm_by_link(session, services.now(), own)
        if own and confirmed and _is_apart(mailed):
            mailed = sign_up.open_confirmed(
                session,
                services.now(),
                address=own.address,
                homeserver=own.homeserver,
                browser=services.tokens.browser_hash(known),
                language=language(),
                device=browser.device(),
            )
        if confirmed:
            known = browser.renew(session, known, mailed.id)
    return browser.mark(go_to("check_page", n=mailed.ordinal), known)


def _open_here(token: str, mailed: VerificationRequest) -> Response:
    if _seen(mailed) is not Step.OPEN:
        return go_to("verify_page", token=token)
    if faults := unfinished_code():
        return _verify_page(token, mailed, faults)
    known = browser.browser_id() or services.tokens.new_browser()
    with services.database.transaction() as session:
        first = session.get_one(VerificationRequest, mailed.id)
        answered, opened = sign_up.open_elsewhere(
            session,
            services.tokens,
            services.now(),
            first,
            request.form.get("code", ""),
            browser=services.tokens.browser_hash(known),
            language=language(),
            device=browser.device(),
        )
        if opened:
            known = browser.renew(session, known, opened.id)
    if opened:
        return browser.mark(go_to("account_page", n=opened.ordinal), known)
    if answered.is_used and first.state == State.USED:
        # Who has the code has proved enough to hear that nothing is left to do.
        return browser.mark(page("link_used", token=token, same=False, n=None), known)
    return browser.mark(_verify_page(token, mailed, code_faults(answered, held=True)), known)


def _refuse_page(
    token: str, mailed: VerificationRequest, faults: list[Fault] | None = None
) -> Response:
    stands = _seen(mailed)
    return page(
        "refuse",
        faults=() if stands in {Step.USED, Step.EXPIRED} else faults or (),
        token=token,
        same=_is_same(mailed),
        stands=stands,
        notice=request.args.get("notice"),
    )


def _refuse_here(
    session: Session, mailed: VerificationRequest, *, undo: bool
) -> tuple[bool, list[Fault]]:
    if undo:
        return sign_up.undo_cancel(session, services.now(), mailed), []
    sign_up.cancel(session, services.now(), mailed)
    return True, []


def _refuse_by_code(
    session: Session, mailed: VerificationRequest, known: str, *, undo: bool
) -> tuple[bool, list[Fault]]:
    if _seen(mailed) is Step.EXPIRED:
        return False, []
    if faults := unfinished_code():
        return False, faults
    tokens, now, code = services.tokens, services.now(), request.form.get("code", "")
    if undo:
        answered = sign_up.undo_with_code(session, tokens, now, mailed, code)
    elif _seen(mailed) is Step.OPEN:
        here = services.tokens.browser_hash(known)
        answered = sign_up.cancel_with_code(session, tokens, now, mailed, code, browser=here)
    else:
        return False, []
    if answered.result is Result.RIGHT or (undo and answered.result is Result.OVER):
        return answered.result is Result.RIGHT, []
    return False, code_faults(answered, held=True)
