"""/admin/access/tokens: API tokens are made, shown once, and ended."""

import uuid
from datetime import timedelta
from typing import Final

from flask import Response, abort, request

from identity.homeservers import models as homeservers
from identity.operators import service as operating, tokens
from identity.operators.models import AdminToken
from identity.operators.roles import Deed, Role, effective
from identity.problems import WrongOperator
from identity.web.rendering import Fault
from identity.web.request_context import services

from .access import typed_standing
from .frame import form, go_to, say, screen, show, typed_reason
from .operator_session import actor, operator

DAYS: Final = 90  # as proposed
MAX_DIGITS: Final = 4


@screen("/access/tokens/new", Deed.MANAGE_ACCESS)
def new_token_form() -> Response:
    """What the program is called, what it may do, and until when."""
    return _page()


@form("/access/tokens/new", Deed.MANAGE_ACCESS)
def new_token() -> Response:
    """Make a token. It is shown once, on the page that answers."""
    typed = request.form.get("days", "")
    days = int(typed) if typed.isascii() and typed.isdigit() and len(typed) <= MAX_DIGITS else 0
    try:
        with services.database.transaction() as database:
            row, token = tokens.issue(
                database,
                services.now(),
                actor(typed_reason()),
                operating.required(database, operator().operator_id),
                name=request.form.get("name", ""),
                standing=typed_standing(),
                lifetime=timedelta(days=days),
            )
            told = {"name": row.name, "ends_at": row.ends_at}
    except WrongOperator as error:
        return _page([Fault("name", str(error))])
    return show("access_token_made", token=token, told=told)


@form("/access/tokens/<uuid:token_id>/end", Deed.MANAGE_ACCESS)
def end_token(token_id: uuid.UUID) -> Response:
    """End a token at once."""
    with services.database.transaction() as database:
        row = database.get(AdminToken, token_id)
        if row is None:
            abort(404)
        name = row.name
        tokens.end(database, services.now(), actor(typed_reason()), name)
    say("console.token.ended", name=name)
    return go_to("access")


def _page(faults: list[Fault] | None = None) -> Response:
    own = effective(operator().roles)
    with services.database.reading() as database:
        names = [each.name for each in homeservers.find_all(database)]
    return show(
        "access_token_new",
        faults=faults or (),
        roles=[role for role in Role if role in own],
        homeservers=names,
        days=request.form.get("days", str(DAYS)),
        chosen={
            "roles": request.form.getlist("roles"),
            "homeservers": request.form.getlist("homeservers"),
            "organisations": request.form.get("organisations", "").splitlines(),
        },
    )
