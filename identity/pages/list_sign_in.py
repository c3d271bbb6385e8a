"""/lists/sign-in: an agent proves their address anew, and this browser is signed in to their lists."""

import uuid

from flask import Response, request, session

from domain_rules.addresses import InvalidAddress
from identity.context import client_ip, wired
from identity.storage import list_sign_ins
from identity.use_cases import list_sign_in
from identity.use_cases.codes import CodeAnswer, Result

from . import list_sessions
from .check import shown, unfinished_code
from .languages import language
from .rendering import Fault, go_to, page
from .site import blueprint
from .wording import counted, text

# In the browser's own signed cookie: which request is its own.
ASKED = "lists_asked"


@blueprint.get("/lists/sign-in")
def lists_sign_in() -> Response:
    """The field for the address."""
    return page("lists_sign_in", email="")


@blueprint.post("/lists/sign-in")
def lists_ask() -> Response:
    """A code for this address, if it is an agent's; the page says the same for all."""
    typed = request.form.get("email", "")
    try:
        address = wired.rules.current().read(typed)
    except InvalidAddress:
        return page("lists_sign_in", faults=[Fault("email", text("start.fault"))], email=typed)
    wired.limits.spend_network(client_ip())
    with wired.database.transaction() as database:
        asked = list_sign_in.ask(
            database, wired.rules.current(), wired.now(), address=address, language=language()
        )
    session[ASKED] = str(asked.id)
    return go_to("lists_code")


@blueprint.get("/lists/code")
def lists_code() -> Response:
    """The field for the code."""
    asked = _asked()
    return page("lists_code", address=shown(asked.address)) if asked else go_to("lists_sign_in")


@blueprint.post("/lists/code")
def lists_type_code() -> Response:
    """The right code opens the page of lists."""
    asked = _asked()
    if asked is None:
        return go_to("lists_sign_in")
    faults = unfinished_code()
    if not faults:
        with wired.database.transaction() as database:
            found = list_sign_ins.find(database, asked.id)
            answered = (
                list_sign_in.type_code(
                    database, wired.tokens, wired.now(), found, request.form["code"]
                )
                if found
                else CodeAnswer(Result.OVER)
            )
        if answered.result is Result.RIGHT:
            session.pop(ASKED, None)
            return list_sessions.sign_in(str(asked.user_id), asked.address)
        faults = [Fault("code", _said(answered))]
    return page("lists_code", faults=faults, address=shown(asked.address))


def _asked() -> list_sign_ins.ListSignIn | None:
    try:
        asked_id = uuid.UUID(session[ASKED])
    except (KeyError, TypeError, ValueError):
        return None
    with wired.database.reading() as database:
        return list_sign_ins.find(database, asked_id)


def _said(answered: CodeAnswer) -> str:
    if answered.result is Result.WRONG:
        return counted("code.wrong", answered.tries_left)
    return text("lists.code.locked" if answered.result is Result.LOCKED else "lists.code.over")
