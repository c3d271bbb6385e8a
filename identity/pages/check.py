"""/check/<n>: the nth request of this browser waits for its code."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from flask import Response, request
from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from identity.context import wired
from identity.problems import NoSuchRequest
from identity.storage.verification_requests import VerificationRequest
from identity.tokens import CODE_DIGITS
from identity.use_cases import sign_up
from identity.use_cases.codes import CodeAnswer, Result
from identity.use_cases.sign_up import Step

from . import browser
from .languages import language, prefer
from .rendering import Fault, go_to, page
from .site import blueprint
from .wording import clock, counted, text

SENT, SOON, WAITING, TOO_LATE = "sent", "soon", "waiting", "too_late"
NOTICES = {SENT, SOON, WAITING, TOO_LATE}

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
    """What to say if the field holds no six digits.

    That is no try: a scanner that presses every button uses up nobody's.
    """
    digits = [letter for letter in request.form.get("code", "") if letter.isdecimal()]
    return [] if len(digits) == CODE_DIGITS else [Fault("code", text("code.incomplete"))]


def code_faults(answered: CodeAnswer) -> list[Fault]:
    """What to say under the field after a code that was not right."""
    match answered:
        case CodeAnswer(result=Result.WRONG):
            said = counted("code.wrong", answered.tries_left)
        case CodeAnswer(result=Result.EXPIRED, expired_at=datetime() as ended, mailed=True):
            said = text("code.expired", time=clock(ended))
        case CodeAnswer(result=Result.EXPIRED, expired_at=datetime() as ended, again_at=again):
            said = text("code.expired_wait", time=clock(ended), again=clock(again or wired.now()))
        case _:
            said = text("code.locked", time=clock(answered.again_at or wired.now()))
    return [Fault("code", said)]


@blueprint.get("/check/<int:n>")
def check_page(n: int) -> Response:
    """The field for the code, or where the request stands instead."""
    with wired.database.reading() as session:
        own = own_request(session, n)
        again_at = sign_up.again_at(session, wired.now(), own)
    match sign_up.where(own, wired.now()):
        case Step.CONFIRMED:
            return go_to("account_page", n=n)
        case Step.USED:
            return go_to("account_done", n=n)
        case Step.CANCELLED:
            return page("cancelled", n=n, address=shown(own.address), notice=_notice())
        case Step.EXPIRED:
            return page("request_expired", address=shown(own.address), expired_at=own.expires_at)
    return page(
        "check", n=n, address=shown(own.address), own=own, again_at=again_at, notice=_notice()
    )


@blueprint.post("/check/<int:n>")
def check_code(n: int) -> Response:
    """Try the code. A right one renews the browser's cookie and leads to the account."""
    known = browser.browser_id() or ""
    with wired.database.transaction() as session:
        own = own_request(session, n)
        if sign_up.where(own, wired.now()) is not Step.OPEN:
            return go_to("check_page", n=n)
        faults = unfinished_code() or _try_code(session, own)
        if not faults:
            known = browser.renew(session, known)
    if faults:
        return page("check", faults=faults, n=n, address=shown(own.address), own=own)
    return browser.mark(go_to("account_page", n=n), known)


def _try_code(session: Session, own: VerificationRequest) -> list[Fault]:
    typed = request.form.get("code", "")
    answered = sign_up.type_code(session, wired.tokens, wired.now(), own, typed)
    return [] if answered.result is Result.RIGHT else code_faults(answered)


@blueprint.post("/check/<int:n>/resend")
def resend(n: int) -> Response:
    """Ask for the mail once more; pressed too early, the page says from when."""
    with wired.database.transaction() as session:
        own = own_request(session, n)
        rules = wired.rules.current()
        mailed = sign_up.resend(session, wired.now(), own, rules=rules, language=language())
    return go_to("check_page", n=n, notice=SENT if mailed else SOON)


@blueprint.post("/check/<int:n>/not-me")
def not_me(n: int) -> Response:
    """End the request."""
    _change(n, lambda session, own: sign_up.cancel(session, wired.now(), own))
    return go_to("check_page", n=n)


@blueprint.post("/check/<int:n>/undo")
def undo(n: int) -> Response:
    """It was a slip."""
    undone = _change(n, lambda session, own: sign_up.undo_cancel(session, wired.now(), own))
    return go_to("check_page", n=n) if undone else go_to("check_page", n=n, notice=TOO_LATE)


def _change(n: int, act: Callable[[Session, VerificationRequest], Changed]) -> Changed:
    with wired.database.transaction() as session:
        return act(session, own_request(session, n))


def _notice() -> str | None:
    asked = request.args.get("notice")
    return asked if asked in NOTICES else None
