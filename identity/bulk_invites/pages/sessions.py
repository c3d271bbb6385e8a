"""Who is signed in to the lists in this browser, and in which others; each is ended by itself."""

import uuid
from dataclasses import dataclass

from flask import Response
from sqlalchemy.orm import Session

from identity.accounts import sessions as people_sessions
from identity.accounts.session_models import PersonSession
from identity.accounts.sessions import LISTS
from identity.web import session_cookies
from identity.web.rendering import go_to
from identity.web.request_context import services
from identity.web.site import blueprint


@dataclass(frozen=True)
class Agent:
    """Who is signed in here."""

    user_id: str
    address: str
    session_id: uuid.UUID


def agent() -> Agent | None:
    """Who this browser is signed in as: asked anew on every page, which gives them another half hour."""
    token = session_cookies.token(LISTS)
    if token is None:
        return None
    rules, now = services.rules.current(), services.now()
    with services.database.reading() as session:
        found = people_sessions.find(session, rules, now, token=token, purpose=LISTS)
    if found is None or people_sessions.is_to_be_noted(found, now):
        with services.database.transaction() as session:
            found = people_sessions.use(session, rules, now, token=token, purpose=LISTS)
    return Agent(found.user_id, found.address, found.id) if found else None


def begin(session: Session, user_id: str, address: str) -> str:
    """Sign this browser in, and end what it had: a token that nobody knew before.

    In the transaction that took the code: whoever then says "it was not me" finds the session there.
    """
    before = session_cookies.token(LISTS)
    if before is not None:
        people_sessions.end_by_token(session, services.now(), token=before, purpose=LISTS)
    return people_sessions.open(
        session,
        services.now(),
        purpose=LISTS,
        user_id=user_id,
        address=address,
        device=session_cookies.device(),
    )


def let_in(token: str) -> Response:
    """To the lists, with the token of `begin`."""
    return session_cookies.give(go_to("lists_page"), LISTS, token)


def signed_in_on(who: Agent) -> list[PersonSession]:
    """Every browser they are signed in with, this one too; the newest first."""
    with services.database.reading() as session:
        return people_sessions.live_of(
            session, services.rules.current(), services.now(), who.user_id, LISTS
        )


@blueprint.post("/lists/sign-out")
def lists_sign_out() -> Response:
    """Nothing of the lists is seen here any more, whatever becomes of the cookie."""
    token = session_cookies.token(LISTS)
    if token is not None:
        with services.database.transaction() as session:
            people_sessions.end_by_token(session, services.now(), token=token, purpose=LISTS)
    return session_cookies.take(go_to("lists_sign_in"), LISTS)


@blueprint.post("/lists/sessions/<uuid:session_id>/end")
def lists_end_session(session_id: uuid.UUID) -> Response:
    """Sign out elsewhere; what is somebody else's is left alone."""
    who = agent()
    if who is not None:
        with services.database.transaction() as session:
            people_sessions.end(session, services.now(), session_id=session_id, user_id=who.user_id)
    return go_to("lists_page" if who and who.session_id != session_id else "lists_sign_in")
