"""/admin: what waits for this operator, and how things stand."""

from functools import partial

from babel.numbers import format_decimal
from flask import Response

from identity.console import at_a_glance, waiting
from identity.console.waiting import MOST, Viewer
from identity.homeservers.health_models import SLOW
from identity.operators.roles import Deed
from identity.web.request_context import services
from identity.web.wording import ago, language

from .frame import screen, show
from .operator_session import operator
from .places import in_language, is_there


@screen("/", Deed.SEE_SELF)
def home() -> Response:
    """What this operator can settle, and nothing else."""
    who, now = operator(), services.now()
    with services.database.reading() as database:
        found, looked_at = waiting.find(
            database, now, Viewer(who.operator_id, who.roles, who.scope)
        )
        glance = at_a_glance.look(database, now, who.scope) if who.may(Deed.SEE) else None
    return show(
        "home",
        waiting=[(each, _many(each.count), _link(each.path)) for each in found],
        looked_at=looked_at,
        now=now,
        glance=glance,
        many=_many,
        slow=SLOW,
        ago=ago,
        decimal=partial(format_decimal, locale=language()),
        incidents=_link("/admin/incidents"),
        link_to_change=lambda label: _link(f"/admin/changes/{label}"),
        link_to_homeserver=lambda name: _link(f"/admin/homeservers/{name}"),
    )


def _many(count: int) -> str:
    return f"{MOST}+" if count > MOST else str(count)


def _link(path: str) -> str | None:
    """The path if this version has that screen."""
    return in_language(path) if is_there(path) else None
