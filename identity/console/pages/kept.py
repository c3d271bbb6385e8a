"""/admin/kept: a form that was sent after the session's end, to be sent again; and staying signed in."""

import uuid

from flask import Response, abort

from identity.operators import kept_forms, sessions
from identity.operators.roles import Deed
from identity.web.request_context import services
from identity.web.wording import clock

from .frame import KEPT, NOT_CARRIED, form, go_to, own_path, say, screen, show
from .operator_session import operator


@screen("/kept/<uuid:form_id>", Deed.SEE_SELF)
def kept_form(form_id: uuid.UUID) -> Response:
    """What was typed, to the same operator. It is gone once it was sent or thrown away."""
    with services.database.reading() as database:
        kept = kept_forms.read(
            database, services.vault, services.now(), form_id, operator().operator_id
        )
    if kept is None:
        abort(404)
    shown = [(name, value) for name, value in kept.fields if value.strip()]
    return show(
        "kept_form",
        action=own_path(kept.path),
        carried=[pair for pair in kept.fields if pair[0] not in NOT_CARRIED - {"reason"}],
        kept_field=KEPT,
        form_id=form_id,
        shown=shown,
        had_files=kept.had_files,
    )


@form("/kept/<uuid:form_id>/discard", Deed.SEE_SELF)
def discard_kept_form(form_id: uuid.UUID) -> Response:
    """Throw it away."""
    with services.database.transaction() as database:
        kept_forms.end(database, form_id, operator().operator_id)
    say("console.kept.discarded")
    return go_to("home")


@form("/stay", Deed.SEE_SELF)
def stay() -> Response:
    """Move the idle end of the session on. It opens beside the page, so that nothing typed is lost."""
    now, who = services.now(), operator()
    with services.database.transaction() as database:
        sessions.record_use(database, now, who)
    until = min(now + sessions.IDLE, who.ends_for_good_at)
    say("console.stay.done", time=clock(until))
    return go_to("stayed")


@screen("/stay", Deed.SEE_SELF)
def stayed() -> Response:
    """Says until when."""
    return show("stayed")
