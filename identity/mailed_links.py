"""/v/<token> and /n/<token>: the links "verify" and "not me" of every mail with a code.

Opening a link changes nothing: that takes the browser's cookie or the code.
"""

from functools import partial
from typing import Any

from flask import Response, request
from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from identity.core import tracing
from identity.core.one_time_codes.service import Result
from identity.core.tokens import Purpose
from identity.sign_up import not_me, service as sign_up, visibility
from identity.sign_up.models import State, VerificationRequest
from identity.sign_up.visibility import Step
from identity.web import browser_cookie
from identity.web.code_form import TOO_LATE, code_faults, unfinished_code
from identity.web.request_context import services
from identity.web.request_record import about_address

from .bulk_invites.pages import not_me as bulk_invites_not_me, sign_in as bulk_invites_sign_in
from .console.pages import mailed_links as console_mailed_links
from .domain_requests.pages import my_domain
from .invitations.pages import unknown_inviter
from .sign_up.pages import browser
from .threepids import pages as client_link
from .web.rendering import Fault, go_to, render_page
from .web.site import blueprint
from .web.wording import language, prefer_language

RESTORED = "restored"


@blueprint.get("/v/<mailed:token>")
def verify_page(token: str) -> Response:
    """A button in the browser that made the request, a field for the code in any other."""
    if to_console := console_mailed_links.lead_to_console(token):
        return to_console
    mailed = _mailed(token, "verify")
    page = _verify_page(token, mailed) if mailed else bulk_invites_sign_in.show_link(token)
    page = page or my_domain.show_link(token)
    return browser_cookie.introduce(page or client_link.show_link(token))


@blueprint.post("/v/<mailed:token>")
def verify(token: str) -> Response:
    """Confirm the request by the button; in another browser, open one there by the code."""
    mailed = _mailed(token, "verify")
    if mailed is None:
        return (
            bulk_invites_sign_in.try_code_of_link(token)
            or my_domain.try_code_of_link(token)
            or client_link.try_code(token)
        )
    with services.database.reading() as session:
        repeated = browser.find_repeated(session, partial(_is_confirmed_by_form, session, mailed))
    if repeated:
        return browser_cookie.set_cookie(
            go_to("account_page", n=repeated.request.ordinal), repeated.browser_id
        )
    return _confirm_here(mailed) if _is_from_this_browser(mailed) else _open_here(token, mailed)


@blueprint.get("/n/<mailed:token>")
def refuse_page(token: str) -> Response:
    """The page "not me": a button in the request's own browser, the code in any other."""
    mailed = _mailed(token, "not_me")
    page = _refuse_page(token, mailed) if mailed else bulk_invites_not_me.show(token)
    return browser_cookie.introduce(page or unknown_inviter.show(token))


@blueprint.post("/n/<mailed:token>")
def refuse(token: str) -> Response:
    """Cancel the request, or open it again."""
    undo = "undo" in request.form
    mailed = _mailed(token, "not_me")
    if mailed is None:
        return bulk_invites_not_me.end_sessions(token) or unknown_inviter.decline(token)
    known = browser_cookie.browser_id() or services.tokens.new_browser()
    with services.database.transaction() as session:
        mailed = session.get_one(VerificationRequest, mailed.id)
        if _is_from_this_browser(mailed):
            done, faults = _refuse_here(session, mailed, undo=undo)
        else:
            done, faults = _refuse_by_code(session, mailed, known, undo=undo)
    if faults:
        return browser_cookie.set_cookie(_refuse_page(token, mailed, faults), known)
    if not undo and not _is_from_this_browser(mailed) and mailed.state == State.USED:
        return browser_cookie.set_cookie(
            render_page("refuse", token=token, same=False, stands=Step.USED), known
        )
    notice = (RESTORED if done else TOO_LATE) if undo else None
    return browser_cookie.set_cookie(go_to("refuse_page", token=token, notice=notice), known)


def _is_confirmed_by_form(
    session: Session, mailed: VerificationRequest, confirmed: VerificationRequest
) -> bool:
    """Whether the form confirmed this request already: it was sent twice, by code or by button."""
    if "code" in request.form:
        return confirmed.address == mailed.address and browser.has_just_typed(session, confirmed)
    return confirmed.id == mailed.id or (
        confirmed.address == mailed.address and _is_from_invitation_page(mailed)
    )


def _mailed(token: str, purpose: Purpose) -> VerificationRequest | None:
    """The request that the link is about; None if it is about something else."""
    request_id = services.tokens.read_link(token, purpose)
    with services.database.reading() as session:
        found = session.get(VerificationRequest, request_id) if request_id else None
    if found:
        prefer_language(found.language)
        about_address(found.address)
        tracing.follow(found.trace_id)
    return found


def _is_from_this_browser(mailed: VerificationRequest) -> bool:
    return mailed.browser == browser_cookie.browser_hash() or _is_from_invitation_page(mailed)


def _is_from_invitation_page(mailed: VerificationRequest) -> bool:
    """Whether the request was made in this browser on the page of an invitation."""
    return mailed.browser == browser_cookie.invitation_browser_hash(mailed.address)


def _step_here(mailed: VerificationRequest) -> Step:
    """The step as this browser may see it; holding the link alone shows nothing more."""
    return visibility.step_seen_by(
        mailed, services.now(), browsers=browser_cookie.browser_hashes(mailed.address)
    )


def _verify_page(
    token: str, mailed: VerificationRequest, faults: list[Fault] | None = None
) -> Response:
    apart = _is_from_invitation_page(mailed)
    same = _is_from_this_browser(mailed) and not apart
    step = _step_here(mailed)
    known: dict[str, Any] = {
        "token": token,
        "same": same,
        "n": None if apart else mailed.ordinal,
        "address": EmailAddress.stored(mailed.address).display,
    }
    match step:
        case Step.USED:
            return render_page("link_used", **known)
        case Step.CANCELLED:
            return render_page("link_cancelled", **known)
        case Step.EXPIRED:
            return render_page("link_expired", expired_at=mailed.expires_at, **known)
        case Step.CONFIRMED if same:
            return render_page("link_confirmed", **known)
    name = "link_confirm" if same or apart else "link_code"
    return render_page(name, faults=faults or (), **known)


def _confirm_here(mailed: VerificationRequest) -> Response:
    known = browser_cookie.browser_id() or ""
    with services.database.transaction() as session:
        own = session.get(VerificationRequest, mailed.id)
        confirmed = own is not None and sign_up.confirm_by_link(session, services.now(), own)
        if own and confirmed and _is_from_invitation_page(mailed):
            mailed = sign_up.open_confirmed(
                session,
                services.now(),
                address=own.address,
                homeserver=own.homeserver,
                browser=services.tokens.browser_hash(known),
                language=language(),
                device=browser_cookie.device(),
            )
        if confirmed:
            known = browser.renew(session, known, mailed.id)
    return browser_cookie.set_cookie(go_to("check_page", n=mailed.ordinal), known)


def _open_here(token: str, mailed: VerificationRequest) -> Response:
    if _step_here(mailed) is not Step.OPEN:
        return go_to("verify_page", token=token)
    if faults := unfinished_code():
        return _verify_page(token, mailed, faults)
    known = browser_cookie.browser_id() or services.tokens.new_browser()
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
            device=browser_cookie.device(),
        )
        if opened:
            known = browser.renew(session, known, opened.id)
    if opened:
        return browser_cookie.set_cookie(go_to("account_page", n=opened.ordinal), known)
    if answered.is_used and first.state == State.USED:
        # The code verifies the mailbox, so this may be told.
        return browser_cookie.set_cookie(
            render_page("link_used", token=token, same=False, n=None), known
        )
    return browser_cookie.set_cookie(
        _verify_page(token, mailed, code_faults(answered, held=True)), known
    )


def _refuse_page(
    token: str, mailed: VerificationRequest, faults: list[Fault] | None = None
) -> Response:
    stands = _step_here(mailed)
    return render_page(
        "refuse",
        faults=() if stands in {Step.USED, Step.EXPIRED} else faults or (),
        token=token,
        same=_is_from_this_browser(mailed),
        stands=stands,
        notice=request.args.get("notice"),
    )


def _refuse_here(
    session: Session, mailed: VerificationRequest, *, undo: bool
) -> tuple[bool, list[Fault]]:
    if undo:
        return not_me.undo_cancel(session, services.now(), mailed), []
    not_me.cancel(session, services.now(), mailed)
    return True, []


def _refuse_by_code(
    session: Session, mailed: VerificationRequest, known: str, *, undo: bool
) -> tuple[bool, list[Fault]]:
    if _step_here(mailed) is Step.EXPIRED:
        return False, []
    if faults := unfinished_code():
        return False, faults
    tokens, now, code = services.tokens, services.now(), request.form.get("code", "")
    if undo:
        answered = not_me.undo_with_code(session, tokens, now, mailed, code)
    elif _step_here(mailed) is Step.OPEN:
        here = services.tokens.browser_hash(known)
        answered = not_me.cancel_with_code(session, tokens, now, mailed, code, browser=here)
    else:
        return False, []
    if answered.result is Result.RIGHT or (undo and answered.result is Result.OVER):
        return answered.result is Result.RIGHT, []
    return False, code_faults(answered, held=True)
