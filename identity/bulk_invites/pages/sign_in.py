"""/lists/sign-in: an agent verifies their address by a code, and signs in to bulk invites."""

import uuid

from flask import Response, request, session, url_for
from sqlalchemy.orm import Session

from domain_rules.address_faults import InvalidAddress
from domain_rules.addresses import EmailAddress
from identity.bulk_invites import sign_in, sign_in_models
from identity.bulk_invites.sign_in_models import BulkInviteSignIn
from identity.core.one_time_codes.service import CodeAnswer, Result
from identity.web import browser_cookie
from identity.web.code_form import code_faults, is_mail_held, unfinished_code
from identity.web.rendering import Fault, go_to, render_page
from identity.web.request_context import client_ip, services
from identity.web.request_record import about_address
from identity.web.site import blueprint
from identity.web.wording import language, text

from . import sessions

# The key in the signed session cookie for the ID of this browser's request.
ASKED = "lists_asked"


@blueprint.get("/lists/sign-in")
def lists_sign_in() -> Response:
    """The field for the address."""
    return browser_cookie.introduce(render_page("lists_sign_in", email=""))


@blueprint.post("/lists/sign-in")
def lists_ask() -> Response:
    """Send a code to an agent's address; the page says the same for every address."""
    typed = request.form.get("email", "")
    try:
        address = services.rules.current().read(typed)
    except InvalidAddress:
        return render_page(
            "lists_sign_in", faults=[Fault("email", text("start.fault"))], email=typed
        )
    about_address(address.canonical)
    services.limits.spend_network(client_ip())
    services.limits.spend_tag(client_ip(), address)
    with services.database.transaction() as database:
        asked = sign_in.request_code(
            database,
            services.now(),
            address=address,
            language=language(),
            asked=_find_own_request(database),
            device=browser_cookie.device(),
        )
    session[ASKED] = str(asked.id)
    return go_to("lists_code")


@blueprint.get("/lists/code")
def lists_code() -> Response:
    """The field for the code."""
    with services.database.reading() as database:
        asked = _find_own_request(database)
    return _code_page(asked) if asked and asked.used_at is None else go_to("lists_sign_in")


@blueprint.post("/lists/code")
def lists_type_code() -> Response:
    """A right code signs in and goes to /lists."""
    with services.database.transaction() as database:
        asked = _find_own_request(database)
        if asked is None:
            return go_to("lists_sign_in")
        if faults := unfinished_code():
            return _code_page(asked, faults)
        answered, user_id = sign_in.type_code(
            database,
            services.tokens,
            services.now(),
            asked,
            request.form["code"],
            rules=services.rules.current(),
            language=language(),
            networks=browser_cookie.network_of_browser(database),
        )
        opened = sessions.open_session(database, user_id, asked.address) if user_id else None
    if opened is None:
        return _code_page(asked, _faults_of(answered, held=False))
    return sessions.go_to_lists(opened)


def _code_page(
    asked: BulkInviteSignIn, faults: list[Fault] | None = None, *, token: str | None = None
) -> Response:
    """`token`: of the mailed link. Without the request's own browser the address is masked."""
    known = EmailAddress.stored(asked.address)
    mail_at = asked.mail_at or asked.created_at
    with services.database.reading() as database:
        others = [] if token else sign_in.find_elsewhere(database, services.now(), asked)
    return render_page(
        "lists_code",
        faults=faults or (),
        act=url_for("pages.verify", token=token) if token else url_for("pages.lists_code"),
        address=known.masked if token else known.display,
        mail_at=mail_at,
        mail_waits=mail_at > services.now(),
        is_held=is_mail_held(asked.address, mail_at),
        others=others,
    )


def _find_own_request(database: Session) -> BulkInviteSignIn | None:
    try:
        asked_id = uuid.UUID(session[ASKED])
    except (KeyError, TypeError, ValueError):
        return None
    return sign_in_models.find(database, asked_id)


def show_link(token: str) -> Response | None:
    """The mailed link, in any browser: a field for its code.

    None: the link is about something else.
    """
    with services.database.reading() as database:
        asked = _find_by_link(database, token)
    return _code_page(asked, token=token) if asked else None


def try_code_of_link(token: str) -> Response | None:
    """Behind the link the code has tries of its own; a right one signs this browser in."""
    known = browser_cookie.browser_id() or services.tokens.new_browser()
    with services.database.transaction() as database:
        asked = _find_by_link(database, token)
        if asked is None:
            return None
        if faults := unfinished_code():
            return _code_page(asked, faults, token=token)
        answered, user_id = sign_in.type_code_of_link(
            database,
            services.tokens,
            services.now(),
            asked,
            request.form["code"],
            rules=services.rules.current(),
            browser=services.tokens.browser_hash(known),
            language=language(),
            device=browser_cookie.device(),
        )
        opened = sessions.open_session(database, user_id, asked.address) if user_id else None
    if opened is None:
        return browser_cookie.set_cookie(
            _code_page(asked, _faults_of(answered, held=True), token=token), known
        )
    return browser_cookie.set_cookie(sessions.go_to_lists(opened), known)


def _find_by_link(database: Session, token: str) -> BulkInviteSignIn | None:
    sign_in_id = services.tokens.read_link(token, "lists")
    return sign_in_models.find(database, sign_in_id) if sign_in_id else None


def _faults_of(answered: CodeAnswer, *, held: bool) -> list[Fault]:
    if answered.result is Result.OVER:
        return [Fault("code", text("lists.code.over"))]
    return code_faults(answered, held=held)
