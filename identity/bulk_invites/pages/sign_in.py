"""/lists/sign-in: an agent proves their address anew, and this browser is signed in to their lists."""

import uuid

from flask import Response, request, session, url_for
from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress, InvalidAddress
from identity.bulk_invites import sign_in as list_sign_in
from identity.bulk_invites import sign_in_models as sign_ins
from identity.bulk_invites.sign_in_models import BulkInviteSignIn
from identity.core.one_time_codes.service import CodeAnswer, Result
from identity.sign_up.pages import browser
from identity.sign_up.pages.check import code_faults, unfinished_code
from identity.web.languages import language
from identity.web.rendering import Fault, go_to, page
from identity.web.request_context import client_ip, services
from identity.web.site import blueprint
from identity.web.wording import text

from . import sessions as list_sessions

# In the browser's own signed cookie: which request is its own.
ASKED = "lists_asked"


@blueprint.get("/lists/sign-in")
def lists_sign_in() -> Response:
    """The field for the address."""
    return browser.introduce(page("lists_sign_in", email=""))


@blueprint.post("/lists/sign-in")
def lists_ask() -> Response:
    """A code for this address, if it is an agent's; the page says the same for all."""
    typed = request.form.get("email", "")
    try:
        address = services.rules.current().read(typed)
    except InvalidAddress:
        return page("lists_sign_in", faults=[Fault("email", text("start.fault"))], email=typed)
    services.limits.spend_network(client_ip())
    services.limits.spend_tag(client_ip(), address)
    with services.database.transaction() as database:
        asked = list_sign_in.ask(
            database,
            services.now(),
            address=address,
            language=language(),
            asked=_asked(database),
            device=browser.device(),
        )
    session[ASKED] = str(asked.id)
    return go_to("lists_code")


@blueprint.get("/lists/code")
def lists_code() -> Response:
    """The field for the code."""
    with services.database.reading() as database:
        asked = _asked(database)
    return _code_page(asked) if asked and asked.used_at is None else go_to("lists_sign_in")


@blueprint.post("/lists/code")
def lists_type_code() -> Response:
    """The right code opens the page of lists."""
    with services.database.transaction() as database:
        asked = _asked(database)
        if asked is None:
            return go_to("lists_sign_in")
        if faults := unfinished_code():
            return _code_page(asked, faults)
        answered, user_id = list_sign_in.type_code(
            database,
            services.tokens,
            services.now(),
            asked,
            request.form["code"],
            rules=services.rules.current(),
            language=language(),
            place=browser.place(database),
        )
        opened = list_sessions.begin(database, user_id, asked.address) if user_id else None
    if opened is None:
        return _code_page(asked, _said(answered, held=False))
    return list_sessions.let_in(opened)


def _code_page(
    asked: BulkInviteSignIn, faults: list[Fault] | None = None, *, token: str | None = None
) -> Response:
    """`token`: of the mailed link; who has only that sees no address."""
    known = EmailAddress.stored(asked.address)
    mail_at = asked.mail_at or asked.created_at
    with services.database.reading() as database:
        others = [] if token else list_sign_in.elsewhere(database, services.now(), asked)
    return page(
        "lists_code",
        faults=faults or (),
        act=url_for("pages.verify", token=token) if token else url_for("pages.lists_code"),
        address=known.masked if token else known.display,
        mail_at=mail_at,
        mail_waits=mail_at > services.now(),
        others=others,
    )


def _asked(database: Session) -> BulkInviteSignIn | None:
    try:
        asked_id = uuid.UUID(session[ASKED])
    except (KeyError, TypeError, ValueError):
        return None
    return sign_ins.find(database, asked_id)


def show_link(token: str) -> Response | None:
    """The link of the mail, in whatever browser: a field for its code. None: it is no link to lists."""
    with services.database.reading() as database:
        asked = _mailed(database, token)
    return _code_page(asked, token=token) if asked else None


def try_code_of_link(token: str) -> Response | None:
    """Behind the link the code has tries of its own; a right one opens the page of lists in this browser."""
    known = browser.browser_id() or services.tokens.new_browser()
    with services.database.transaction() as database:
        asked = _mailed(database, token)
        if asked is None:
            return None
        if faults := unfinished_code():
            return _code_page(asked, faults, token=token)
        answered, user_id = list_sign_in.type_code_of_link(
            database,
            services.tokens,
            services.now(),
            asked,
            request.form["code"],
            rules=services.rules.current(),
            browser=services.tokens.browser_hash(known),
            language=language(),
            device=browser.device(),
        )
        opened = list_sessions.begin(database, user_id, asked.address) if user_id else None
    if opened is None:
        return browser.mark(_code_page(asked, _said(answered, held=True), token=token), known)
    return browser.mark(list_sessions.let_in(opened), known)


def _mailed(database: Session, token: str) -> BulkInviteSignIn | None:
    sign_in_id = services.tokens.read_link(token, "lists")
    return sign_ins.find(database, sign_in_id) if sign_in_id else None


def _said(answered: CodeAnswer, *, held: bool) -> list[Fault]:
    if answered.result is Result.OVER:
        return [Fault("code", text("lists.code.over"))]
    return code_faults(answered, held=held)
