"""One browser is told from another by a signed random id in a cookie; the database has only its hash."""

import re
from datetime import timedelta
from typing import Final

from flask import Response, request
from sqlalchemy.orm import Session

from identity.core.one_time_codes.limits import CallerNetworks, networks_of_caller

from .request_context import client_ip, is_https, services

# A day more than a confirmed request lives and a cancelled one can be opened again.
LIFETIME: Final = timedelta(days=8)
# The first of these in a User-Agent counts; all begin with "Mozilla", which says nothing.
FAMILIES: Final = re.compile(
    r"\b(Element(?: \w+)?|SchildiChat|Tchap|Edg|OPR|Firefox|FxiOS|CriOS|Chrome|Safari)\b"
)
# These also name Chrome or Safari, before their own name.
LATER: Final = re.compile(r"\b(Edg|OPR)\b")
SHOWN: Final = {"Edg": "Edge", "OPR": "Opera", "FxiOS": "Firefox", "CriOS": "Chrome"}


def cookie_name() -> str:
    """The cookie's name. The prefix `__Host-` needs TLS, which a test installation has not."""
    return "__Host-vr" if is_https() else "vr"


def browser_id() -> str | None:
    """The id in this browser's cookie; None without a cookie signed by us."""
    return services.tokens.browser_cookie(request.cookies.get(cookie_name()))


def browser_hash() -> str | None:
    """The hash under which the database knows this browser."""
    found = browser_id()
    return services.tokens.browser_hash(found) if found else None


def invitation_browser_hash(address: str) -> str | None:
    """The hash of this browser for one address only.

    A request made from a mailed invitation is stored under this hash. It must not be among the
    browser's other requests, because their pages show the address in full, which the reader of an
    invitation need not know.
    """
    found = browser_id()
    return invitation_browser_hash_of(found, address) if found else None


def invitation_browser_hash_of(browser: str, address: str) -> str:
    """As `invitation_browser_hash`, for a browser id that is not in the request's cookie yet."""
    return services.tokens.browser_hash(f"{browser}/{address}")


def introduce(response: Response) -> Response:
    """Give the browser an id with its first page, so that a double click comes from one browser."""
    return response if browser_id() else set_cookie(response, services.tokens.new_browser())


def browser_hashes(address: str) -> tuple[str, ...]:
    """The hashes under which the database may know this browser, for requests of one address."""
    return tuple(filter(None, (browser_hash(), invitation_browser_hash(address))))


def device() -> str:
    """The browser's or client's family (Firefox, Element …) from its User-Agent; "" if unknown."""
    user_agent = request.user_agent.string
    found = LATER.search(user_agent) or FAMILIES.search(user_agent)
    return SHOWN.get(found[1], found[1]) if found else ""


def network_of_browser(session: Session) -> CallerNetworks:
    """The network of this browser, for the limits on typed codes."""
    return networks_of_caller(
        session, services.hashes, client_ip(), services.settings.shared_networks
    )


def set_cookie(response: Response, browser: str) -> Response:
    """Set the cookie with this browser id."""
    response.set_cookie(
        cookie_name(),
        services.tokens.sign_browser(browser),
        max_age=LIFETIME,
        secure=is_https(),
        httponly=True,
        samesite="Lax",
        path="/",
    )
    return response
