"""/admin/health: what doctor found last, the processes, the lanes; /admin/menu: every screen."""

from typing import Final

from flask import Response, current_app

from identity import migrations
from identity.console.waiting import LOOKED
from identity.core import nodes, waiting_jobs
from identity.core.outbox import JobKind
from identity.health import finding_models, looking, views
from identity.operators.roles import Deed
from identity.web import wording
from identity.web.request_context import services

from .frame import DEEDS, form, go_to, say, screen
from .operator_session import operator
from .things import show_thing

MENU: Final = (
    *("home", "requests", "domains", "changes", "homeservers", "people", "invitations", "mails"),
    *("journal", "test", "incidents", "access", "health", "settings", "me", "about"),
)
"""Every screen that begins something, in its order; those that are not there are left out."""


@screen("/health", Deed.SEE)
def health() -> Response:
    """Each finding with what mends it, stored by the worker every five minutes."""
    with services.database.reading() as session:
        now = services.now()
        found = finding_models.find_all(session)
        findings = [
            views.say_finding(views.describe_finding(each), wording.language()) for each in found
        ]
        lanes = views.describe_lanes(waiting_jobs.measure(session, now))
        running = views.of_interest(nodes.find_all(session), services.database_now())
        processes = [views.describe_node(each, services.database_now()) for each in running]
    found_at = found[0].found_at if found else None
    needed = [each for each in findings if each["state"] != "ok"]
    return show_thing(
        "health",
        needed=needed,
        good=[each for each in findings if each["state"] == "ok"],
        found_at=found_at,
        is_old=found_at is not None and now - found_at > LOOKED,
        lanes=lanes,
        processes=processes,
        schema=migrations.newest_revision(),
    )


@form("/health/look", Deed.SEE)
def look_at_health() -> Response:
    """Let the worker look now."""
    with services.database.transaction() as session:
        looking.order(session, services.now(), JobKind.HEALTH)
    say("console.health.looking")
    return go_to("health")


@screen("/menu", Deed.SEE_SELF)
def menu() -> Response:
    """All screens that this operator may open: what the bar is on a wide screen, and what it lacks."""
    who = operator()
    there = [name for name in MENU if f"console.{name}" in current_app.view_functions]
    deeds = {name: DEEDS[f"console.{name}", "GET"] for name in there}
    return show_thing(
        "menu", entries=[name for name, deed in deeds.items() if deed is None or who.may(deed)]
    )
