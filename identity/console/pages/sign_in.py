"""/admin/sign-in: an address and a mailed code, or a link that is used once; then the second factor."""

import uuid
from http import HTTPStatus

from flask import Response, request, session as cookie, url_for
from sqlalchemy.orm import Session

from domain_rules.address_faults import InvalidAddress
from domain_rules.addresses import EmailAddress
from identity.core.one_time_codes.service import CodeAnswer, Result
from identity.operators import (
    factors,
    links,
    models as operators,
    sign_in as signing_in,
    sign_in_models,
)
from identity.operators.models import LinkKind, OperatorLink
from identity.operators.roles import Deed
from identity.operators.sign_in_models import OperatorSignIn
from identity.web import browser_cookie
from identity.web.code_form import code_faults, unfinished_code
from identity.web.rendering import Fault
from identity.web.request_context import client_ip, services
from identity.web.request_record import about_address
from identity.web.wording import language, text

from . import operator_session, passkey_answers, sso
from .frame import factor_fault, form, go_on, go_to, go_to_sign_in, screen, show, try_passkey
from .passkey_answers import FIELD as PASSKEY

ASKED = "console_asked"
"""The key in the signed cookie for the id of this browser's request."""


@screen("/sign-in", None)
def sign_in() -> Response:
    """The field for the address."""
    if operator_session.signed_in() is not None:
        return go_to("home")
    return browser_cookie.introduce(show("sign_in", mail=""))


@form("/sign-in", None)
def ask_code() -> Response:
    """Order the mail with a code; the page says the same for every address."""
    typed = request.form.get("email", "")
    try:
        address = services.rules.current().read(typed)
    except InvalidAddress:
        return show("sign_in", faults=[Fault("email", text("start.fault"))], mail=typed)
    about_address(address.canonical)
    services.limits.spend_network(client_ip())
    services.limits.spend_tag(client_ip(), address)
    with services.database.transaction() as database:
        asked = signing_in.request_code(
            database,
            services.now(),
            mail=address.canonical,
            language=language(),
            asked=_find_own_request(database),
            device=browser_cookie.device(),
        )
    cookie[ASKED] = str(asked.id)
    return go_to("code")


@screen("/sign-in/code", None)
def code() -> Response:
    """The field for the mailed code."""
    with services.database.reading() as database:
        asked = _find_own_request(database)
    return _code_page(asked) if asked and asked.used_at is None else go_to("sign_in")


@form("/sign-in/code", None)
def type_code() -> Response:
    """A right code opens a session, in which only the second factor is asked."""
    with services.database.transaction() as database:
        asked = _find_own_request(database)
        if asked is None:
            return go_to("sign_in")
        if faults := unfinished_code():
            return _code_page(asked, faults)
        answered, operator = signing_in.type_code(
            database,
            services.tokens,
            services.now(),
            asked,
            request.form["code"],
            networks=browser_cookie.network_of_browser(database),
        )
    if operator is None:
        return _code_page(asked, _faults_of(answered, held=False))
    return operator_session.sign_in(go_to("second_factor"), operator)


@screen("/sign-in/mailed/<token>", None)
def mailed(token: str) -> Response:
    """The link of the mail, in any browser: a field for its code, with tries of its own."""
    with services.database.reading() as database:
        asked = _find_by_link(database, token)
    if asked is None:
        return _link_is_over()
    return browser_cookie.introduce(_code_page(asked, token=token))


@form("/sign-in/mailed/<token>", None)
def type_mailed_code(token: str) -> Response:
    """A right code opens a session in this browser."""
    known = browser_cookie.browser_id() or services.tokens.new_browser()
    with services.database.transaction() as database:
        asked = _find_by_link(database, token)
        if asked is None:
            return _link_is_over()
        if faults := unfinished_code():
            return _code_page(asked, faults, token=token)
        answered, operator = signing_in.type_code_of_link(
            database,
            services.tokens,
            services.now(),
            asked,
            request.form["code"],
            browser=services.tokens.browser_hash(known),
            device=browser_cookie.device(),
        )
    if operator is None:
        page = _code_page(asked, _faults_of(answered, held=True), token=token)
    else:
        page = operator_session.sign_in(go_to("second_factor"), operator)
    return browser_cookie.set_cookie(page, known)


@screen("/sign-in/once/<token>", None)
def once(token: str) -> Response:
    """A button: opening the link uses nothing up, and programs that look at it press nothing."""
    with services.database.reading() as database:
        link = _find_link(database, token)
    return show("once", is_good=True) if link else _link_is_over()


@form("/sign-in/once/<token>", None)
def use_once(token: str) -> Response:
    """Use the link up, and sign in. The second factor is asked next."""
    with services.database.transaction() as database:
        is_good = _find_link(database, token) is not None
        operator = links.use(database, services.now(), token, LinkKind.SIGN_IN) if is_good else None
    if operator is None:
        return _link_is_over()
    return operator_session.sign_in(go_to("second_factor"), operator)


@screen("/sign-in/invited/<token>", None)
def invited(token: str) -> Response:
    """The link of an invitation: a button, as with the other link."""
    link_id = services.tokens.read_link(token, "operator_invite")
    with services.database.reading() as database:
        link = link_id and links.find_invitation(database, services.now(), link_id)
    return show("once", is_good=True, is_invitation=True) if link else _link_is_over(invited=True)


@form("/sign-in/invited/<token>", None)
def use_invitation(token: str) -> Response:
    """The link proves the mailbox: use it up, and let the operator add their app."""
    link_id = services.tokens.read_link(token, "operator_invite")
    if link_id is None:
        return _link_is_over(invited=True)
    with services.database.transaction() as database:
        operator = links.use_invitation(database, services.now(), link_id)
    if operator is None:
        return _link_is_over(invited=True)
    return operator_session.sign_in(go_to("second_factor"), operator)


@screen("/sign-in/second", None)
def second_factor() -> Response:
    """The field for the code of the app; whoever has no app yet enrols first."""
    who = operator_session.signed_in()
    if who is None:
        return go_to_sign_in()
    if who.is_whole:
        return go_on()
    with services.database.reading() as database:
        if not factors.has_factor(database, who.operator_id):
            return go_to("enrol")
    return _second_factor_page()


@form("/sign-in/second", None)
def type_second_factor() -> Response:
    """A right code opens the console."""
    who = operator_session.signed_in()
    if who is None:
        return go_to("sign_in")
    if who.is_whole:
        return go_on()
    if request.form.get(PASSKEY):
        fault = try_passkey()
        return _second_factor_page([fault]) if fault else go_on()
    with services.database.transaction() as database:
        operator = operators.find(database, who.operator_id)
        if operator is None or not factors.has_factor(database, operator.id):
            return go_to("enrol")
        typed = request.form.get("second_factor", "")
        now = services.now()
        tried = factors.prove(
            database, services.vault, now, operator, typed, session_id=who.session_id
        )
    if not tried.is_right:
        return _second_factor_page([Fault("second_factor", factor_fault(tried))])
    return go_on()


@form("/sign-out", Deed.SEE_SELF)
def sign_out() -> Response:
    """End this browser's session. Whom the OpenID provider let in may then leave that, too."""
    return operator_session.sign_out(sso.way_out() or go_to("sign_in"))


def _second_factor_page(faults: list[Fault] | None = None) -> Response:
    has_passkey = passkey_answers.has_one()
    return show("second_factor", faults=faults or (), has_passkey=has_passkey)


def _code_page(
    asked: OperatorSignIn, faults: list[Fault] | None = None, *, token: str | None = None
) -> Response:
    """`token`: of the mailed link. Without the request's own browser the address is masked.

    Other browsers that asked are named in the mail, and not here: few but operators ask, so they
    would tell a stranger whose address this is.
    """
    known = EmailAddress.stored(asked.mail)
    mail_at, now = asked.mail_at or asked.created_at, services.now()
    again_at = None
    if token is None:
        with services.database.reading() as database:
            again_at = signing_in.next_mail_at(database, now, asked)
    act = "type_mailed_code" if token else "type_code"
    return show(
        "code",
        faults=faults or (),
        act=url_for(f"console.{act}", token=token),
        mail=known.masked if token else known.display,
        mail_at=mail_at,
        mail_waits=mail_at > now,
        again_at=again_at,
        again_waits=again_at is not None and again_at > now,
    )


def _find_own_request(database: Session) -> OperatorSignIn | None:
    try:
        asked_id = uuid.UUID(cookie[ASKED])
    except (KeyError, TypeError, ValueError):
        return None
    return sign_in_models.find(database, asked_id)


def _find_by_link(database: Session, token: str) -> OperatorSignIn | None:
    asked_id = services.tokens.read_link(token, "operators")
    return sign_in_models.find(database, asked_id) if asked_id else None


def _find_link(database: Session, token: str) -> OperatorLink | None:
    """The link that the shell printed, if it can still be used, and by this door."""
    link = links.find(database, services.now(), token, LinkKind.SIGN_IN)
    operator = operators.find(database, link.operator_id) if link else None
    return link if operator and operator_session.may_come_in_here(operator) else None


def _faults_of(answered: CodeAnswer, *, held: bool) -> list[Fault]:
    if answered.result is Result.OVER:
        return [Fault("code", text("console.code.over"))]
    return code_faults(answered, held=held)


def _link_is_over(*, invited: bool = False) -> Response:
    return show("once", status=HTTPStatus.GONE, is_good=False, is_invitation=invited)
