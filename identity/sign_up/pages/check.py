"""/check/<n>: the page where the code is typed, for the nth request of this browser."""

from collections.abc import Callable
from typing import TypeVar

from flask import Response, request
from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from identity.core import tracing
from identity.core.one_time_codes.service import Result
from identity.sign_up import service as sign_up
from identity.sign_up.models import VerificationRequest
from identity.sign_up.not_me import cancel, undo_cancel
from identity.sign_up.visibility import Step, step_of
from identity.web import browser_cookie
from identity.web.code_form import (
    SENT,
    TOO_LATE,
    WAITING,
    code_faults,
    is_mail_held,
    unfinished_code,
)
from identity.web.rendering import Fault, go_to, render_page
from identity.web.request_context import services
from identity.web.request_record import about_address
from identity.web.site import blueprint
from identity.web.wording import language, prefer_language

from . import browser

NOTICES = {SENT, WAITING, TOO_LATE}

Changed = TypeVar("Changed")


def own_request(session: Session, n: int) -> VerificationRequest:
    """The nth request of this browser. Raises NoSuchRequest."""
    found = sign_up.find_own(session, browser=browser_cookie.browser_hash(), ordinal=n)
    prefer_language(found.language)
    about_address(found.address)
    tracing.follow(found.trace_id)
    return found


@blueprint.get("/check/<int:n>")
def check_page(n: int) -> Response:
    """The field for the code, or the page of the step the request is at."""
    with services.database.reading() as session:
        own = own_request(session, n)
    match step_of(own, services.now()):
        case Step.CONFIRMED:
            return go_to("account_page", n=n)
        case Step.USED:
            return go_to("account_done", n=n)
        case Step.CANCELLED:
            return render_page(
                "cancelled", n=n, address=EmailAddress.stored(own.address).display, notice=_notice()
            )
        case Step.EXPIRED:
            return render_page(
                "request_expired",
                address=EmailAddress.stored(own.address).display,
                expired_at=own.expires_at,
            )
    return _check_page(own)


def _check_page(own: VerificationRequest, faults: list[Fault] | None = None) -> Response:
    with services.database.reading() as session:
        others = sign_up.find_elsewhere(
            session,
            services.now(),
            own.address,
            browsers=browser_cookie.browser_hashes(own.address),
        )
    asked_at = own.asked_at or own.created_at
    mail_at = own.mail_at or asked_at
    return render_page(
        "check",
        faults=faults or (),
        n=own.ordinal,
        address=EmailAddress.stored(own.address).display,
        asked_at=asked_at,
        mail_at=mail_at,
        mail_waits=mail_at > services.now(),
        mail_was_there=mail_at < asked_at,
        is_held=is_mail_held(own.address, mail_at),
        others=others,
        notice=_notice(),
    )


@blueprint.post("/check/<int:n>")
def check_code(n: int) -> Response:
    """Try the code. If it is right, renew the browser's cookie and go on to the account."""
    known = browser_cookie.browser_id() or ""
    with services.database.transaction() as session:
        repeated = browser.find_repeated(
            session, lambda each: each.ordinal == n and browser.has_just_typed(session, each)
        )
        if repeated:
            return browser_cookie.set_cookie(go_to("account_page", n=n), repeated.browser_id)
        own = own_request(session, n)
        if step_of(own, services.now()) is not Step.OPEN:
            return go_to("check_page", n=n)
        faults = unfinished_code() or _try_code(session, own)
        if not faults:
            known = browser.renew(session, known, own.id)
    if faults:
        return _check_page(own, faults)
    return browser_cookie.set_cookie(go_to("account_page", n=n), known)


def _try_code(session: Session, own: VerificationRequest) -> list[Fault]:
    typed, networks = request.form.get("code", ""), browser_cookie.network_of_browser(session)
    answered = sign_up.try_code(
        session, services.tokens, services.now(), own, typed, networks=networks
    )
    return [] if answered.result is Result.RIGHT else code_faults(answered)


@blueprint.post("/check/<int:n>/resend")
def resend(n: int) -> Response:
    """Order the mail once more. It leaves when the limits allow it; the page says when."""
    with services.database.transaction() as session:
        mailed = sign_up.resend(
            session, services.now(), own_request(session, n), language=language()
        )
    return go_to("check_page", n=n, notice=SENT if mailed else None)


@blueprint.post("/check/<int:n>/not-me")
def not_me(n: int) -> Response:
    """Cancel the request."""
    _change(n, lambda session, own: cancel(session, services.now(), own))
    return go_to("check_page", n=n)


@blueprint.post("/check/<int:n>/undo")
def undo(n: int) -> Response:
    """Open the cancelled request again."""
    undone = _change(n, lambda session, own: undo_cancel(session, services.now(), own))
    return go_to("check_page", n=n) if undone else go_to("check_page", n=n, notice=TOO_LATE)


def _change(n: int, act: Callable[[Session, VerificationRequest], Changed]) -> Changed:
    with services.database.transaction() as session:
        return act(session, own_request(session, n))


def _notice() -> str | None:
    asked = request.args.get("notice")
    return asked if asked in NOTICES else None
