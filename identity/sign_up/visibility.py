"""What a browser may see of a request.

A browser that has not verified the address sees an open request, even if an account was created
from another browser: otherwise typing an address would tell whether it has an account.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from enum import StrEnum

from .models import State, VerificationRequest

CONFIRMED_LIFETIME = timedelta(days=7)  # a verified address waits for its homeserver


class Step(StrEnum):
    """The step a request is at, as one browser sees it."""

    OPEN = "open"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    CONFIRMED = "confirmed"
    USED = "used"


def step_of(request: VerificationRequest, now: datetime) -> Step:
    """The step of the request as the browser that made it sees it.

    What happened to the address in other browsers does not show, "not me" with the code included.
    """
    return step_seen_by(request, now, browsers=(request.browser,))


def step_seen_by(
    request: VerificationRequest, now: datetime, *, browsers: Collection[str | None]
) -> Step:
    """The step of the request as one browser sees it. `browsers`: the hashes it is stored under."""
    is_refused = request.refused_at is not None
    if is_refused and request.refused_by in browsers:
        return Step.CANCELLED
    if request.state == State.CANCELLED and (not is_refused or request.browser in browsers):
        return Step.CANCELLED
    if request.browser in browsers:
        if request.state == State.USED:
            return Step.USED
        if request.state == State.CONFIRMED:
            kept_until = (request.confirmed_at or request.created_at) + CONFIRMED_LIFETIME
            return Step.CONFIRMED if now < kept_until else Step.EXPIRED
    return Step.EXPIRED if now >= request.expires_at else Step.OPEN
