"""The browser of a sign-up after its code was right: it gets a new id, also on a double click."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from flask import request
from sqlalchemy.orm import Session

from identity.core.one_time_codes import service as one_time_codes
from identity.sign_up import service as sign_up
from identity.sign_up.models import VerificationRequest
from identity.web import browser_cookie
from identity.web.request_context import services


@dataclass(frozen=True)
class RepeatedForm:
    """A request that was confirmed a moment ago, and the browser's id since then."""

    request: VerificationRequest
    browser_id: str


def has_just_typed(session: Session, confirmed: VerificationRequest) -> bool:
    """Whether the code of the form is the one that confirmed this request."""
    return one_time_codes.was_just_used(
        session,
        services.tokens,
        services.now(),
        subject=confirmed.address,
        browser=confirmed.browser,
        code=request.form.get("code", ""),
    )


def find_repeated(
    session: Session, is_same: Callable[[VerificationRequest], bool]
) -> RepeatedForm | None:
    """Find the request that the same form has confirmed a moment ago, as on a double click.

    The browser lost the first response, and with it the renewed cookie; it gets the same id again.
    `is_same`: whether the form verifies this request. Without that check, a cookie from before the
    verification would be enough.
    """
    known = browser_cookie.browser_id()
    if known is None:
        return None
    before = services.tokens.browser_hash(known)
    for each in sign_up.find_just_confirmed(session, services.now(), browser_before=before):
        renewed = services.tokens.renewed_browser(known, each.id)
        if services.tokens.browser_hash(renewed) == each.browser and is_same(each):
            return RepeatedForm(each, renewed)
    return None


def renew(session: Session, old: str, request_id: UUID) -> str:
    """Give the browser a new id after a verification, so that nobody goes on with the old one.

    `request_id`: the request that was confirmed.
    """
    new = services.tokens.renewed_browser(old, request_id)
    sign_up.rotate_browser(
        session, old=services.tokens.browser_hash(old), new=services.tokens.browser_hash(new)
    )
    return new
