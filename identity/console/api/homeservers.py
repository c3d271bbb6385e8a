"""`/homeservers`: how they stand, and to stop what is sent there. The rest takes a person."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from identity.console import scoping
from identity.core import paging
from identity.health import finding_models, views as health_views
from identity.homeservers import changing, views
from identity.homeservers.models import Homeserver
from identity.invitations import homeserver_jobs
from identity.operators import notices
from identity.operators.kept_answers import Answer
from identity.operators.roles import Deed
from identity.problems import NothingHere, ScopeNeeded
from identity.web.json_body import Text
from identity.web.request_context import services

from . import frame, guards, reading

PAGE = "/admin/homeservers/{name}"


class Hold(frame.Said):
    """The body of POST /homeservers/NAME/hold."""

    until: Text


@frame.reads("/homeservers", Deed.SEE, *frame.PAGED)
def list_homeservers(session: Session) -> dict[str, Any]:
    """The homeservers by name."""
    scope = guards.program().scope
    own = select(Homeserver).where(scoping.homeservers_within(scope))
    keys = [Homeserver.name]
    page = paging.find_page(session, own, keys, descending=False, **frame.asked_page())
    shown = views.describe_all(session, page.items, services.now())
    return {"items": shown, "next": page.following}


@frame.reads("/homeservers/<name>", Deed.SEE)
def show_homeserver(session: Session, name: str) -> dict[str, Any]:
    """One homeserver, with its module, breakers and credentials, and how many jobs it has."""
    row = _find(session, name)
    within = scoping.invitations_within(session, guards.program().scope)
    counted = homeserver_jobs.describe(session, name, within)
    return views.describe_whole(session, row, services.now()) | {"jobs": counted}


@frame.reads("/homeservers/<name>/jobs", Deed.SEE, *frame.PAGED)
def list_homeserver_jobs(session: Session, name: str) -> dict[str, Any]:
    """What is to be done there beside deliveries, and what was given up; the oldest first."""
    _find(session, name)
    page = homeserver_jobs.find_others(session, name, **frame.asked_page())
    items = [homeserver_jobs.describe_job(each) for each in page.items]
    return {"items": items, "next": page.following}


@frame.reads("/homeservers/<name>/findings", Deed.SEE)
def list_homeserver_findings(session: Session, name: str) -> dict[str, Any]:
    """What doctor found last about it, each with what mends it."""
    _find(session, name)
    found = finding_models.find_about(session, name)
    return {"items": [health_views.describe_finding(each) for each in found], "next": None}


@frame.writes("/homeservers/<name>/hold", Deed.FREEZE, Hold)
def hold_homeserver(session: Session, given: Hold, name: str) -> Answer:
    """Send nothing there until then."""
    row, now = _find(session, name), services.now()
    if not guards.program().scope.covers(homeserver=name):  # it is seen by a rule that leads there
        raise ScopeNeeded
    until, who = reading.end("until", given.until, now), guards.actor(given.reason)
    with guards.stopping(PAGE.format(name=name)):
        held = changing.hold(session, now, who, row.name, until=until, may_shorten=False)
    notices.tell_of_stop(session, now, who, name, ends_at=until)
    return frame.done(views.describe(held, now))


frame.in_console("/homeservers", "add_homeserver", Deed.MANAGE_HOMESERVER, "/admin/homeservers")
frame.in_console(
    "/homeservers/<name>", "edit_homeserver", Deed.MANAGE_HOMESERVER, PAGE, method="PATCH"
)
for verb in ("credential", "suspend", "resume", "retire", "reinstate"):
    name = f"{verb}_homeserver"
    frame.in_console(f"/homeservers/<name>/{verb}", name, Deed.MANAGE_HOMESERVER, PAGE)
frame.in_console("/homeservers/<name>/release", "release_homeserver", Deed.THAW, PAGE)


def _find(session: Session, name: str) -> Homeserver:
    within = scoping.homeservers_within(guards.program().scope)
    found = session.scalar(select(Homeserver).where(Homeserver.name == name, within))
    if found is None:
        raise NothingHere
    return found
