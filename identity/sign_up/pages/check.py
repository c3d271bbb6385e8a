"""/check/<n>: the nth request of this browser waits for its code."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from flask import Response, request
from markupsafe import Markup
from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from identity.core.one_time_codes.service import CodeAnswer, Result
from identity.core.tokens import is_whole_code, typed_digits
from identity.problems import NoSuchRequest
from identity.sign_up import service as sign_up
from identity.sign_up.models import VerificationRequest
from identity.sign_up.service import Step
from identity.web.languages import language, prefer
from identity.web.rendering import Fault, go_to, page
from identity.web.request_context import services
from identity.web.site import blueprint
from identity.web.wording import clock, counted, text

from . import browser

SENT, WAITING, TOO_LATE = "sent", "waiting", "too_late"
NOTICES = {SENT, WAITING, TOO_LATE}
OLD_DIGITS = 6  # of codes mailed by earlier versions

Changed = TypeVar("Changed")


def own_request(session: Session, n: int) -> VerificationRequest:
    """The nth request of this browser. Raises NoSuchRequest."""
    known_as = browser.browser_hash()
    found = sign_up.find(session, browser=known_as, ordinal=n) if known_as else None
    if found is None:
        raise NoSuchRequest
    prefer(found.language)
    return found


def shown(address: str) -> str:
    """A stored address as people write it."""
    return EmailAddress.stored(address).display


def unfinished_code() -> list[Fault]:
    """What to say if the field holds no whole code.

    That is no try: a scanner that presses every button uses up nobody's.
    """
    typed = request.form.get("code", "")
    if is_whole_code(typed):
        return []
    is_old = len(typed_digits(typed) or "") == OLD_DIGITS
    return [Fault("code", text("code.six" if is_old else "code.incomplete"))]


def code_faults(answered: CodeAnswer, *, held: bool = False) -> list[Fault]:
    """What to say under the field after a code that was not right. `held`: behind the mailed link."""
    match answered:
        case CodeAnswer(result=Result.WRONG):
            said = counted("code.wrong", answered.tries_left)
        case CodeAnswer(result=Result.OFF):
            said = text("code.off_held" if held else "code.off")
        case CodeAnswer(is_used=True):
            said = text("code.used") + " " + _next_mail(answered.mail_at)
        case CodeAnswer(ended_at=datetime() as ended):
            said = text("code.ended", time=clock(ended)) + " " + _next_mail(answered.mail_at)
        case CodeAnswer(mail_at=datetime() as later) if later > services.now():
            said = text("code.none_until", time=clock(later))
        case _:
            said = text("code.none_yet")
    return [Fault("code", said)]


def _next_mail(mail_at: datetime | None) -> Markup:
    """Where the next code comes from."""
    if mail_at is None:
        return text("code.ask")
    if mail_at <= services.now():
        return text("code.mailed")
    return text("code.mailed_later", time=clock(mail_at))


@blueprint.get("/check/<int:n>")
def check_page(n: int) -> Response:
    """The field for the code, or where the request stands instead."""
    with services.database.reading() as session:
        own = own_request(session, n)
    match sign_up.step_of(own, services.now()):
        case Step.CONFIRMED:
            return go_to("account_page", n=n)
        case Step.USED:
            return go_to("account_done", n=n)
        case Step.CANCELLED:
            return page("cancelled", n=n, address=shown(own.address), notice=_notice())
        case Step.EXPIRED:
            return page("request_expired", address=shown(own.address), expired_at=own.expires_at)
    return _check_page(own)


def _check_page(own: VerificationRequest, faults: list[Fault] | None = None) -> Response:
    with services.database.reading() as session:
        others = sign_up.elsewhere(
            session, services.now(), own.address, browsers=browser.names(own.address)
        )
    asked_at = own.asked_at or own.created_at
    mail_at = own.mail_at or asked_at
    return page(
        "check",
        faults=faults or (),
        n=own.ordinal,
        address=shown(own.address),
        asked_at=asked_at,
        mail_at=mail_at,
        mail_waits=mail_at > services.now(),
        mail_was_there=mail_at < asked_at,
        others=others,
        notice=_notice(),
    )


@blueprint.post("/check/<int:n>")
def check_code(n: int) -> Response:
    """Try the code. A right one renews the browser's cookie and leads to the account."""
    known = browser.browser_id() or ""
    with services.database.transaction() as session:
        again = browser.again(
            session, lambda it: it.ordinal == n and browser.has_just_typed(session, it)
        )
        if again:
            return browser.mark(go_to("account_page", n=n), again.browser_id)
        own = own_request(session, n)
        if sign_up.step_of(own, services.now()) is not Step.OPEN:
            return go_to("check_page", n=n)
        faults = unfinished_code() or _try_code(session, own)
        if not faults:
            known = browser.renew(session, known, own.id)
    if faults:
        return _check_page(own, faults)
    return browser.mark(go_to("account_page", n=n), known)


def _try_code(session: Session, own: VerificationRequest) -> list[Fault]:
    typed, place = request.form.get("code", ""), browser.place(session)
    answered = sign_up.type_code(session, services.tokens, services.now(), own, typed, place=place)
    return [] if answered.result is Result.RIGHT else code_faults(answered)


@blueprint.post("/check/<int:n>/resend")
def resend(n: int) -> Response:
    """Ask for the mail once more; pressed too early, it leaves as soon as it may, and the page says when."""
    with services.database.transaction() as session:
        mailed = sign_up.resend(
            session, services.now(), own_request(session, n), language=language()
        )
    return go_to("check_page", n=n, notice=SENT if mailed else None)


@blueprint.post("/check/<int:n>/not-me")
def not_me(n: int) -> Response:
    """End the request."""
    _change(n, lambda session, own: sign_up.cancel(session, services.now(), own))
    return go_to("check_page", n=n)


@blueprint.post("/check/<int:n>/undo")
def undo(n: int) -> Response:
    """It was a slip."""
    undone = _change(n, lambda session, own: sign_up.undo_cancel(session, services.now(), own))
    return go_to("check_page", n=n) if undone else go_to("check_page", n=n, notice=TOO_LATE)


def _change(n: int, act: Callable[[Session, VerificationRequest], Changed]) -> Changed:
    with services.database.transaction() as session:
        return act(session, own_request(session, n))


def _notice() -> str | None:
    asked = request.args.get("notice")
    return asked if asked in NOTICES else None
