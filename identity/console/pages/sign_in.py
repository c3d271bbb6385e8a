"""/admin/sign-in: a link that is used once, then the second factor."""

from http import HTTPStatus

import segno
from flask import Response, make_response, redirect, request, url_for
from markupsafe import Markup

from identity.operators import factors, links, models as operators, sessions
from identity.operators.models import LinkKind
from identity.operators.roles import Deed
from identity.web.rendering import Fault
from identity.web.request_context import services

from . import operator_session
from .frame import factor_fault, form, go_to, go_to_sign_in, screen, screen_after_sign_in, show

QR_PIXELS = 5  # of one module


@screen("/sign-in", None)
def sign_in() -> Response:
    """How to come in."""
    return show("sign_in")


@screen("/sign-in/once/<token>", None)
def once(token: str) -> Response:
    """A button: opening the link uses nothing up, and programs that look at it press nothing."""
    with services.database.reading() as database:
        link = links.find(database, services.now(), token, LinkKind.SIGN_IN)
    if link is None:
        return show("once", status=HTTPStatus.GONE, is_good=False)
    return show("once", is_good=True)


@form("/sign-in/once/<token>", None)
def use_once(token: str) -> Response:
    """Use the link up, and sign in. The second factor is asked next."""
    with services.database.transaction() as database:
        operator = links.use(database, services.now(), token, LinkKind.SIGN_IN)
    if operator is None:
        return show("once", status=HTTPStatus.GONE, is_good=False)
    return operator_session.sign_in(go_to("home"), operator)


@screen("/sign-in/second", None)
def second_factor() -> Response:
    """The field for the code of the app; whoever has no app yet enrols first."""
    who = operator_session.signed_in()
    if who is None:
        return go_to_sign_in()
    if who.is_whole:
        return go_to("home")
    with services.database.reading() as database:
        if not factors.has_factor(database, who.operator_id):
            return go_to("enrol")
    return show("second_factor")


@form("/sign-in/second", None)
def type_second_factor() -> Response:
    """A right code opens the console."""
    who = operator_session.signed_in()
    if who is None:
        return go_to_sign_in()
    with services.database.transaction() as database:
        operator = operators.find(database, who.operator_id)
        if operator is None or not factors.has_factor(database, operator.id):
            return go_to("enrol")
        typed = request.form.get("second_factor", "")
        tried = factors.try_code(database, services.vault, services.now(), operator, typed)
        if tried.is_right:
            sessions.record_proof(database, services.now(), who.session_id)
    if not tried.is_right:
        return show("second_factor", faults=[Fault("second_factor", factor_fault(tried))])
    return make_response(redirect(screen_after_sign_in(), HTTPStatus.SEE_OTHER))


@screen("/sign-in/enrol", None)
def enrol() -> Response:
    """The secret of the app, as a picture and as text."""
    return _enrol_page()


@form("/sign-in/enrol", None)
def confirm_enrolment() -> Response:
    """A first right code, then the recovery codes, shown once."""
    who = operator_session.signed_in()
    if who is None:
        return go_to_sign_in()
    with services.database.transaction() as database:
        operator = operators.find(database, who.operator_id)
        if operator is None or factors.has_factor(database, operator.id):
            return go_to("second_factor")
        now, typed = services.now(), request.form.get("second_factor", "")
        tried, codes = factors.confirm_enrolment(database, services.vault, now, operator, typed)
        if tried.is_right:
            sessions.record_proof(database, now, who.session_id)
    if not tried.is_right:
        return _enrol_page([Fault("second_factor", factor_fault(tried))])
    return show("recovery_codes", codes=codes)


@form("/sign-out", Deed.SEE_SELF)
def sign_out() -> Response:
    """End this browser's session."""
    return operator_session.sign_out(go_to("sign_in"))


def _enrol_page(faults: list[Fault] | None = None) -> Response:
    who = operator_session.signed_in()
    if who is None:
        return go_to_sign_in()
    with services.database.transaction() as database:
        if who.is_whole or factors.has_factor(database, who.operator_id):
            return go_to("second_factor")
        now = services.now()
        secret = factors.begin_enrolment(database, services.vault, now, who.operator_id)
    issuer = f"{services.settings.service_name} console"
    code = segno.make(
        factors.provisioning_uri(secret, account=who.name, issuer=issuer), micro=False
    )
    picture = code.svg_inline(scale=QR_PIXELS, dark="#000", light="#fff", omitsize=False)
    groups = [secret[start : start + 4] for start in range(0, len(secret), 4)]
    return show(
        "enrol",
        faults=faults or (),
        picture=Markup(picture),  # noqa: S704  drawn here, of nothing that was typed
        secret=" ".join(groups),
        action=url_for("console.confirm_enrolment"),
    )
