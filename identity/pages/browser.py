"""The browser that asked, known by one signed random cookie; the database holds only its hash."""

from datetime import timedelta
from urllib.parse import urlsplit

from flask import Response, request
from sqlalchemy.orm import Session

from identity import devices
from identity.context import client_ip, wired
from identity.use_cases import sign_up
from identity.use_cases.code_limits import Place, place_of

# As long as anything can still be done with a request: a proof is kept, and a slip undone, for a week.
LIFETIME = timedelta(days=8)


def cookie_name() -> str:
    """`__Host-` needs TLS, which the service at home does not have."""
    return "__Host-vr" if _is_secure() else "vr"


def browser_id() -> str | None:
    """The id in this browser's cookie, if it has one of ours."""
    return wired.tokens.browser_cookie(request.cookies.get(cookie_name()))


def browser_hash() -> str | None:
    """The name under which the rows know this browser."""
    found = browser_id()
    return wired.tokens.browser_hash(found) if found else None


def apart_hash(address: str) -> str | None:
    """This browser, kept apart for one address.

    Who asks from a mailed invitation need not know the address in full: what they asked for is none of
    the requests whose pages show it.
    """
    found = browser_id()
    return apart(found, address) if found else None


def apart(browser: str, address: str) -> str:
    """As `apart_hash`, of a browser whose cookie is on its way."""
    return wired.tokens.browser_hash(f"{browser}/{address}")


def introduce(response: Response) -> Response:
    """A first page gives the browser its id, so that two tabs, or a double click, are one browser."""
    return response if browser_id() else mark(response, wired.tokens.new_browser())


def names(address: str) -> tuple[str, ...]:
    """All names under which the rows may know this browser, for requests of one address."""
    return tuple(filter(None, (browser_hash(), apart_hash(address))))


def device() -> str:
    """What the browser says it is; "" if that says nothing."""
    return devices.family(request.user_agent.string)


def place() -> Place:
    """The network this browser types codes from."""
    return place_of(wired.tokens, client_ip(), wired.settings.shared_networks)


def mark(response: Response, browser: str) -> Response:
    """Let the browser carry this id from now on."""
    response.set_cookie(
        cookie_name(),
        wired.tokens.sign_browser(browser),
        max_age=LIFETIME,
        secure=_is_secure(),
        httponly=True,
        samesite="Lax",
        path="/",
    )
    return response


def renew(session: Session, old: str) -> str:
    """A fresh id at the moment of proof: who knew the old one is left behind."""
    new = wired.tokens.new_browser()
    sign_up.rotate_browser(
        session, old=wired.tokens.browser_hash(old), new=wired.tokens.browser_hash(new)
    )
    return new


def _is_secure() -> bool:
    return urlsplit(wired.settings.public_url).scheme == "https"
