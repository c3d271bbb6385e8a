"""Who is signed in to the console in this browser, and as whom the journal names them."""

from datetime import datetime

from flask import Response, g

from identity.core.journal import Actor
from identity.networks import network_around
from identity.operators import service as operating, sessions
from identity.operators.models import Operator
from identity.operators.sessions import SignedIn
from identity.problems import NoSuchOperator
from identity.web import browser_cookie, console_gate, session_cookies
from identity.web.request_context import client_ip, services
from identity.web.request_record import request_id

COOKIE = "ops"


def signed_in() -> SignedIn | None:
    """The operator of this browser's session, also one who has not typed a second factor yet."""
    if "operator" not in g:
        g.operator = _find()
    found: SignedIn | None = g.operator
    return found


def operator() -> SignedIn:
    """The operator, behind the guard."""
    found = signed_in()
    if found is None:
        raise LookupError("a screen was shown to nobody: its guard is missing")
    return found


def actor(reason: str = "") -> Actor:
    """The operator as the journal names them."""
    origin = f"console from {network()}"
    return Actor(operator().name, origin, reason, request_id())


def network() -> str:
    """The network of this browser, wide enough not to follow a person: /24 or /56."""
    return network_around(client_ip(), 24, 56)


def sign_in(
    response: Response,
    who: Operator,
    *,
    proved: bool = False,
    proved_at: datetime | None = None,
    id_token: str | None = None,
) -> Response:
    """Open a session in this browser, in place of the one it had. See `sessions.open_session`.

    `who`: as they were when they proved who they are. Raises NoSuchOperator if they may not come in any
    more, or not by that: they may have been disabled just now, or their app and passkeys taken away.
    """
    before = session_cookies.read_token(COOKIE)
    with services.database.transaction() as database:
        now = services.now()
        operator = operating.locked(database, who.id)
        if operator.version != who.version or not may_come_in_here(operator):
            raise NoSuchOperator("This operator may not come in.")
        if before is not None:
            sessions.end_by_token(database, now, before)
        token = sessions.open_session(
            database,
            now,
            operator,
            device=browser_cookie.device(),
            network=network(),
            proved=proved,
            proved_at=proved_at,
            id_token=id_token,
        )
    return session_cookies.set_token(response, COOKIE, token)


def may_come_in_here(who: Operator) -> bool:
    """Whether they may come in, and by this door: the one without a second factor on one machine."""
    return who.may_come_in and (who.needs_second_factor or console_gate.is_on_this_machine())


def sign_out(response: Response) -> Response:
    """End the session in the database, whatever happens to the cookie."""
    token = session_cookies.read_token(COOKIE)
    if token is not None:
        with services.database.transaction() as database:
            sessions.end_by_token(database, services.now(), token)
    return session_cookies.delete_token(response, COOKIE)


def _find() -> SignedIn | None:
    token = session_cookies.read_token(COOKIE)
    if token is None:
        return None
    now = services.now()
    with services.database.reading() as database:
        found = sessions.find(database, now, token)
    if found is not None and found.is_embedded and not console_gate.is_on_this_machine():
        return None
    if found is None or not sessions.is_use_to_be_recorded(found, now):
        return found
    with services.database.transaction() as database:
        sessions.record_use(database, now, found)
        return sessions.find(database, now, token)
