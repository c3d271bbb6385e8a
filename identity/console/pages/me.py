"""/admin/me: an operator's own sessions, second factor, recovery codes and language."""

import uuid

from flask import Response, request

from identity.operators import (
    access_views as views,
    helping,
    models as operators,
    service as operating,
)
from identity.operators.roles import Deed
from identity.translations import LANGUAGES
from identity.web.rendering import Fault
from identity.web.request_context import services
from identity.web.wording import text

from .frame import form, go_to, say, screen, show
from .operator_session import actor, operator
from .passkeys import own_passkeys


@screen("/me", Deed.SEE_SELF)
def me() -> Response:
    """My sessions, my app and my language."""
    return _page()


@form("/me/sessions/<uuid:session_id>/end", Deed.SEE_SELF)
def end_my_session(session_id: uuid.UUID) -> Response:
    """End one of my sessions."""
    who = operator()
    with services.database.transaction() as database:
        helping.end_sessions(database, services.now(), actor(), who.operator_id, only=session_id)
    say("console.me.ended")
    return go_to("me")


@form("/me/sessions/end-others", Deed.SEE_SELF)
def end_my_other_sessions() -> Response:
    """End all my sessions but this one."""
    who = operator()
    with services.database.transaction() as database:
        helping.end_sessions(database, services.now(), actor(), who.operator_id, but=who.session_id)
    say("console.me.ended")
    return go_to("me")


@form("/me/recovery-codes", Deed.RENEW_SELF)
def renew_my_recovery_codes() -> Response:
    """New recovery codes, shown once; the earlier ones are useless from now on."""
    who = operator()
    with services.database.transaction() as database:
        found = operating.required(database, who.operator_id)
        codes = helping.renew_recovery_codes(database, services.now(), actor(), found)
    return show("recovery_codes", codes=codes)


@form("/me/language", Deed.SEE_SELF)
def choose_my_language() -> Response:
    """The language of my screens and mails."""
    wanted = request.form.get("language", "")
    if wanted not in LANGUAGES:
        return _page([Fault("language", text("console.me.language.fault"))])
    with services.database.transaction() as database:
        operating.required(database, operator().operator_id).language = wanted
    say("console.me.language.done")
    return go_to("me")


def _page(faults: list[Fault] | None = None) -> Response:
    who, now = operator(), services.now()
    with services.database.reading() as database:
        found = operators.find(database, who.operator_id)
        told = views.operator_told(database, now, found, masked=False) if found else {}
        opened = views.sessions_told(database, now, who.operator_id, here=who.session_id)
        passkeys = own_passkeys(database, found) if found else {}
    return show(
        "me", faults=faults or (), told=told, sessions=opened, languages=LANGUAGES, **passkeys
    )
