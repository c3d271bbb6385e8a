"""/admin/sign-in/passkey and /admin/me/passkeys: operators sign in by a passkey, and look after theirs.

A passkey needs the script passkey.js, which asks for a challenge, and the browser for an answer, and
then sends an ordinary form. Without the script none of this is shown; codes do the same.
"""

import uuid
from http import HTTPStatus
from typing import Any, Final

from flask import Response, abort, jsonify, request
from sqlalchemy.orm import Session

from identity.operators import models as operators, service as operating
from identity.operators.models import Operator
from identity.operators.passkeys import service as adding
from identity.operators.passkeys.models import Ceremony
from identity.operators.passkeys.site import Site
from identity.operators.passkeys.views import passkeys_told
from identity.operators.roles import Deed
from identity.web import session_cookies
from identity.web.rendering import Fault
from identity.web.request_context import client_ip, services
from identity.web.wording import text

from . import operator_session, passkey_answers
from .frame import blueprint, form, go_to, say, screen, show
from .operator_session import actor, operator
from .passkey_answers import COOKIE, FIELD

NEW: Final = "new_passkey"
"""The field with what the browser made."""


@blueprint.context_processor
def offer() -> dict[str, Any]:
    """For templates: whether passkeys are offered here."""
    return {"passkeys_offered": lambda: passkey_answers.site() is not None}


@form("/sign-in/passkey/options", None)
def passkey_options() -> Response:
    """A challenge for whoever wants to sign in: the same for everybody."""
    site = _site()
    services.limits.spend_passkey(client_ip())
    token = passkey_answers.browser()
    asked = passkey_answers.asked(Ceremony.SIGN_IN, token)
    with services.database.transaction() as database:
        options = adding.options_to_prove(database, services.now(), site, asked)
    return _answer(options, token)


@form("/sign-in/passkey", None)
def use_passkey() -> Response:
    """A right passkey opens the console: neither a mailed code nor the app is asked."""
    tried = passkey_answers.sign_in()
    if tried.operator is not None:
        # It goes on from there to the form or screen that was asked for.
        return operator_session.sign_in(go_to("second_factor"), tried.operator, proved=True)
    fault = Fault(FIELD, passkey_answers.fault_of(tried))
    return show("sign_in", status=HTTPStatus.FORBIDDEN, faults=[fault], mail="")


@form("/sign-in/passkey/again", None)
def passkey_again_options() -> Response:
    """A challenge for an operator who is asked for a second factor, for their own passkeys."""
    site, who = _site(), operator_session.signed_in()
    if who is None:
        abort(HTTPStatus.NOT_FOUND)
    token = passkey_answers.browser()
    asked = passkey_answers.asked(Ceremony.AGAIN, token)
    with services.database.transaction() as database:
        now = services.now()
        options = adding.options_to_prove(database, now, site, asked, operator_id=who.operator_id)
    return _answer(options, token)


@form("/me/passkeys/begin", Deed.RENEW_SELF)
def begin_passkey() -> Response:
    """The second factor is asked before the browser makes anything."""
    return go_to("new_passkey")


@screen("/me/passkeys/new", Deed.SEE_SELF)
def new_passkey() -> Response:
    """A name for the passkey, and the button that makes it."""
    return _new_page()


@form("/me/passkeys/options", Deed.SEE_SELF)
def new_passkey_options() -> Response:
    """What the browser needs to make a passkey."""
    site, token = _site(), passkey_answers.browser()
    asked = passkey_answers.asked(Ceremony.ADD, token)
    with services.database.transaction() as database:
        found = operating.required(database, operator().operator_id)
        if not _may_add(database, found):
            abort(HTTPStatus.NOT_FOUND)
        options = adding.options_to_add(database, services.now(), site, asked, operator=found)
    return _answer(options, token)


@form("/me/passkeys", Deed.RENEW_SELF)
def add_passkey() -> Response:
    """Store what the browser has made."""
    site, token = _site(), session_cookies.read_token(COOKIE)
    name = adding.read_name(request.form.get("name", ""))
    if name is None:
        return _new_page([Fault("name", text("console.passkey.name.fault"))])
    with services.database.transaction() as database:
        made = token and adding.add(
            database,
            services.now(),
            site,
            passkey_answers.asked(Ceremony.ADD, token),
            who=actor(),
            operator=operating.required(database, operator().operator_id),
            name=name,
            sent=request.form.get(NEW, ""),
        )
    if not made:
        return _new_page([Fault(FIELD, text("console.passkey.not_added"))])
    say("console.passkey.added", name=name)
    return go_to("me")


@form("/me/passkeys/<uuid:passkey_id>/remove", Deed.RENEW_SELF)
def remove_passkey(passkey_id: uuid.UUID) -> Response:
    """Remove one of my passkeys: it lets nobody in from now on."""
    with services.database.transaction() as database:
        found = operating.required(database, operator().operator_id)
        is_gone = not adding.remove(database, services.now(), actor(), found, passkey_id=passkey_id)
    if is_gone:
        abort(HTTPStatus.NOT_FOUND)
    say("console.passkey.removed")
    return go_to("me")


def own_passkeys(database: Session, found: Operator) -> dict[str, Any]:
    """For the page of the operator themselves: their passkeys, and whether they may add one."""
    site = passkey_answers.site()
    return {
        "passkeys": passkeys_told(database, found.id),
        "can_add_passkey": site is not None and _may_add(database, found),
        "passkey_host": site.rp_id if site else "",
    }


def _new_page(faults: list[Fault] | None = None) -> Response:
    with services.database.reading() as database:
        found = operators.find(database, operator().operator_id)
        may_add = found is not None and _may_add(database, found)
    if passkey_answers.site() is None or not may_add:
        return go_to("me")
    return show("passkey_new", faults=faults or (), name=request.form.get("name", ""))


def _may_add(database: Session, found: Operator) -> bool:
    return adding.may_have_some(database, found) and not adding.is_full(database, found.id)


def _site() -> Site:
    found = passkey_answers.site()
    if found is None:
        abort(HTTPStatus.NOT_FOUND)
    return found


def _answer(options: dict[str, Any], token: str) -> Response:
    response = jsonify(options)
    response.headers["Cache-Control"] = "no-store"
    return session_cookies.set_token(response, COOKIE, token)
