"""/admin/sign-in/enrol: an operator adds the authenticator app, and gets recovery codes."""

from flask import Response, request, url_for

from identity.operators import factors, models as operators, sessions
from identity.web.pictures import qr_code
from identity.web.rendering import Fault
from identity.web.request_context import services

from . import operator_session
from .frame import factor_fault, form, go_to, go_to_sign_in, screen, show


@screen("/sign-in/enrol", None)
def enrol() -> Response:
    """The secret of the app, as a picture and as text."""
    return _enrol_page()


@form("/sign-in/enrol", None)
def confirm_enrolment() -> Response:
    """A first right code, then the recovery codes, shown once."""
    who = operator_session.signed_in()
    if who is None:
        return go_to("sign_in")
    with services.database.transaction() as database:
        operator = operators.find(database, who.operator_id)
        if operator is None or factors.has_factor(database, operator.id):
            return go_to("second_factor")
        now, typed = services.now(), request.form.get("second_factor", "")
        tried, codes = factors.confirm_enrolment(
            database, services.vault, now, operator, typed, session_id=who.session_id
        )
        if codes:
            sessions.record_proof(database, now, who.session_id)
    if not codes:
        return _enrol_page([Fault("second_factor", factor_fault(tried))])
    return show("recovery_codes", codes=codes)


def _enrol_page(faults: list[Fault] | None = None) -> Response:
    who = operator_session.signed_in()
    if who is None:
        return go_to_sign_in()
    with services.database.transaction() as database:
        if who.is_whole or factors.has_factor(database, who.operator_id):
            return go_to("second_factor")
        now = services.now()
        secret = factors.begin_enrolment(
            database, services.vault, now, who.operator_id, session_id=who.session_id
        )
    if secret is None:
        return go_to("second_factor")
    issuer = f"{services.settings.service_name} console"
    uri = factors.provisioning_uri(secret, account=who.name, issuer=issuer)
    groups = [secret[start : start + 4] for start in range(0, len(secret), 4)]
    return show(
        "enrol",
        faults=faults or (),
        picture=qr_code(uri),
        secret=" ".join(groups),
        action=url_for("console.confirm_enrolment"),
    )
