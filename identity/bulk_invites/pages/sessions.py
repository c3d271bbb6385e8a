"""Sessions for bulk invites: this browser's, and those in others, which can be ended one by one."""

import uuid
from dataclasses import dataclass

from flask import Response, abort
from sqlalchemy.orm import Session

from identity.accounts import session_models, sessions as people_sessions
from identity.accounts.session_models import PersonSession
from identity.accounts.sessions import BULK_INVITES
from identity.homeservers import standing as homeserver_standing
from identity.web import browser_cookie, session_cookies
from identity.web.rendering import go_to
from identity.web.request_context import services
from identity.web.site import blueprint


@dataclass(frozen=True)
class Agent:
    """The agent who is signed in."""

    user_id: str
    address: str
    session_id: uuid.UUID


def signed_in_agent() -> Agent | None:
    """The agent of this browser's session; None without one.

    It is checked anew on every page, which also extends the session by half an hour. Raises
    HomeserverSuspended.
    """
    token = session_cookies.read_token(BULK_INVITES)
    if token is None:
        return None
    rules, now = services.rules.current(), services.now()
    with services.database.reading() as session:
        found = people_sessions.find(session, rules, now, token=token, purpose=BULK_INVITES)
        if found is not None:
            homeserver_standing.check_user(session, found.user_id)
    if found is None or people_sessions.is_use_to_be_recorded(found, now):
        with services.database.transaction() as session:
            found = people_sessions.use(session, rules, now, token=token, purpose=BULK_INVITES)
    return Agent(found.user_id, found.address, found.id) if found else None


def required_agent() -> Agent:
    """The agent of this browser's session; without one, the browser goes to the sign-in."""
    return signed_in_agent() or abort(go_to("lists_sign_in"))


def open_session(session: Session, user_id: str, address: str) -> str:
    """Start a session in this browser and end its former one; returns the new token.

    It runs in the transaction that accepted the code: the link "it was not me" then finds the
    session.
    """
    before = session_cookies.read_token(BULK_INVITES)
    if before is not None:
        people_sessions.end_by_token(session, services.now(), token=before, purpose=BULK_INVITES)
    return people_sessions.open_session(
        session,
        services.now(),
        purpose=BULK_INVITES,
        user_id=user_id,
        address=address,
        device=browser_cookie.device(),
    )


def go_to_lists(token: str) -> Response:
    """Go to /lists with the token of `open_session` as a cookie."""
    return session_cookies.set_token(go_to("lists_page"), BULK_INVITES, token)


def find_sessions(who: Agent) -> list[PersonSession]:
    """Every session of this agent, this browser's too; newest first."""
    with services.database.reading() as session:
        return people_sessions.live_sessions_of(
            session, services.rules.current(), services.now(), who.user_id, BULK_INVITES
        )


@blueprint.post("/lists/sign-out")
def lists_sign_out() -> Response:
    """End the session in the database, whatever happens to the cookie."""
    token = session_cookies.read_token(BULK_INVITES)
    if token is not None:
        with services.database.transaction() as session:
            people_sessions.end_by_token(session, services.now(), token=token, purpose=BULK_INVITES)
    return session_cookies.delete_token(go_to("lists_sign_in"), BULK_INVITES)


@blueprint.post("/lists/sessions/<uuid:session_id>/end")
def lists_end_session(session_id: uuid.UUID) -> Response:
    """End a session elsewhere; those of others are left alone."""
    who = signed_in_agent()
    if who is not None:
        with services.database.transaction() as session:
            session_models.end(session, services.now(), session_id, user_id=who.user_id)
    return go_to("lists_page" if who and who.session_id != session_id else "lists_sign_in")
