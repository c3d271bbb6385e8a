"""/admin: what waits for this operator, and how things stand."""

from functools import partial
from typing import Final
from urllib.parse import quote

from babel.numbers import format_decimal
from flask import Response

from identity.console import at_a_glance, waiting
from identity.console.waiting import NAMED, Named
from identity.homeservers.health_models import SLOW
from identity.operators.roles import Deed
from identity.web.request_context import services
from identity.web.wording import ago, language

from . import bar
from .frame import screen, show
from .operator_session import operator
from .places import in_language, is_there

MAILS: Final = "mails_given_up"  # the kind whose names are domains and not homeservers


@screen("/", Deed.SEE_SELF)
def home() -> Response:
    """What this operator can settle, and nothing else."""
    who, now = operator(), services.now()
    viewer = bar.viewer_of(who)
    with services.database.reading() as database:
        found, looked_at = waiting.find(database, now, viewer)
        names = waiting.find_names(database, now, viewer, found)
        glance = at_a_glance.look(database, now, who.scope) if who.may(Deed.SEE) else None
    return show(
        "home",
        waits=found,
        waiting=[(each, bar.many(each.count), _link(each.path)) for each in found],
        names={kind: _named(kind, some) for kind, some in names.items()},
        looked_at=looked_at,
        now=now,
        glance=glance,
        many=bar.many,
        slow=SLOW,
        ago=ago,
        decimal=partial(format_decimal, locale=language()),
        incidents=_link("/admin/incidents"),
        link_to_change=lambda label: _link(f"/admin/changes/{label}"),
        label_of={each["name"]: each["label"] for each in glance.homeservers} if glance else {},
        late=now - waiting.SILENT,
        link_to_homeserver=lambda name: _link(f"/admin/homeservers/{name}"),
    )


def _named(kind: str, found: list[Named]) -> tuple[list[tuple[Named, str, str | None]], bool]:
    """Each name with its count and the screen that shows what waits of it; and whether more have some."""
    screens = "/admin/mails?state=gave_up&domain={}" if kind == MAILS else "/admin/homeservers/{}"
    shown = [
        (each, bar.many(each.count), _link(screens.format(quote(each.name))))
        for each in found[:NAMED]
    ]
    return shown, len(found) > NAMED


def _link(path: str) -> str | None:
    """The path if this version has that screen."""
    return in_language(path) if is_there(path) else None
