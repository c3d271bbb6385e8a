"""The browser that asked, known by one signed random cookie; the database holds only its hash."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit
from uuid import UUID

from flask import Response, request
from sqlalchemy.orm import Session

from identity.core.one_time_codes import service as one_time_codes
from identity.core.one_time_codes.limits import Place, place_of
from identity.sign_up import service as sign_up
from identity.sign_up.models import VerificationRequest
from identity.web import devices
from identity.web.request_context import client_ip, services

# As long as anything can still be done with a request: a proof is kept, and a slip undone, for a week.
LIFETIME = timedelta(days=8)


@dataclass(frozen=True)
class Again:
    """A request that was confirmed a moment ago, and what its browser is known by since."""

    request: VerificationRequest
    browser_id: str


def cookie_name() -> str:
    """`__Host-` needs TLS, which the service at home does not have."""
    return "__Host-vr" if _is_secure() else "vr"


def browser_id() -> str | None:
    """The id in this browser's cookie, if it has one of ours."""
    return services.tokens.browser_cookie(request.cookies.get(cookie_name()))


def browser_hash() -> str | None:
    """The name under which the rows know this browser."""
    found = browser_id()
    return services.tokens.browser_hash(found) if found else None


def apart_hash(address: str) -> str | None:
    """This browser, kept apart for one address.

    Who asks from a mailed invitation need not know the address in full: what they asked for is none of
    the requests whose pages show it.
    """
    found = browser_id()
    return apart(found, address) if found else None


def apart(browser: str, address: str) -> str:
    """As `apart_hash`, of a browser whose cookie is on its way."""
    return services.tokens.browser_hash(f"{browser}/{address}")


def has_just_typed(session: Session, confirmed: VerificationRequest) -> bool:
    """Whether the code of the form is the one that confirmed this request."""
    return one_time_codes.has_just_used(
        session,
        services.tokens,
        services.now(),
        subject=confirmed.address,
        browser=confirmed.browser,
        code=request.form.get("code", ""),
    )


def introduce(response: Response) -> Response:
    """A first page gives the browser its id, so that two tabs, or a double click, are one browser."""
    return response if browser_id() else mark(response, services.tokens.new_browser())


def names(address: str) -> tuple[str, ...]:
    """All names under which the rows may know this browser, for requests of one address."""
    return tuple(filter(None, (browser_hash(), apart_hash(address))))


def device() -> str:
    """What the browser says it is; "" if that says nothing."""
    return devices.family(request.user_agent.string)


def place(session: Session) -> Place:
    """The network this browser types codes from."""
    return place_of(session, services.hashes, client_ip(), services.settings.shared_networks)


def mark(response: Response, browser: str) -> Response:
    """Let the browser carry this id from now on."""
    response.set_cookie(
        cookie_name(),
        services.tokens.sign_browser(browser),
        max_age=LIFETIME,
        secure=_is_secure(),
        httponly=True,
        samesite="Lax",
        path="/",
    )
    return response


def again(session: Session, is_it: Callable[[VerificationRequest], bool]) -> Again | None:
    """The same proof sent twice, as by a double click: the browser lost the answer with its renewed cookie.

    What it confirmed a moment ago, and the id it was given. `is_it`: whether the same proof was given for
    this request; without that a cookie from before the proof opens nothing.
    """
    known = browser_id()
    if known is None:
        return None
    before = services.tokens.browser_hash(known)
    for each in sign_up.just_confirmed(session, services.now(), browser_before=before):
        renewed = services.tokens.renewed_browser(known, each.id)
        if services.tokens.browser_hash(renewed) == each.browser and is_it(each):
            return Again(each, renewed)
    return None


def renew(session: Session, old: str, proof: UUID) -> str:
    """The id after a proof: who knew the old one is left behind. `proof`: the request that was confirmed."""
    new = services.tokens.renewed_browser(old, proof)
    sign_up.rotate_browser(
        session, old=services.tokens.browser_hash(old), new=services.tokens.browser_hash(new)
    )
    return new


def _is_secure() -> bool:
    return urlsplit(services.settings.public_url).scheme == "https"
