"""What a browser may see of a request: who proved nothing sees an open one, whatever came of its address."""

from collections.abc import Collection
from datetime import datetime, timedelta
from enum import StrEnum

from .models import State, VerificationRequest

CONFIRMED_LIFETIME = timedelta(days=7)  # a proof given is kept while a homeserver is away


class Step(StrEnum):
    """Where a request stands now, for whoever looks at it."""

    OPEN = "open"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    CONFIRMED = "confirmed"
    USED = "used"


def step_of(request: VerificationRequest, now: datetime) -> Step:
    """Where the request stands, as the browser sees it that made it.

    What came of its address by a proof given elsewhere does not show, "not me" said with the code among
    it: to a browser that proved nothing the request is an open one.
    """
    return seen_in(request, now, browsers=(request.browser,))


def seen_in(
    request: VerificationRequest, now: datetime, *, browsers: Collection[str | None]
) -> Step:
    """Where the request stands as one browser sees it, which is known by these names."""
    by_proof = request.refused_at is not None
    if by_proof and request.refused_by in browsers:
        return Step.CANCELLED
    if request.state == State.CANCELLED and (not by_proof or request.browser in browsers):
        return Step.CANCELLED
    if request.browser in browsers:
        if request.state == State.USED:
            return Step.USED
        if request.state == State.CONFIRMED:
            kept_until = (request.confirmed_at or request.created_at) + CONFIRMED_LIFETIME
            return Step.CONFIRMED if now < kept_until else Step.EXPIRED
    return Step.EXPIRED if now >= request.expires_at else Step.OPEN
