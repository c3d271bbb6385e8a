"""`/homeservers`: how they stand, and to stop what is sent there. The rest takes a person."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from identity.console import scoping
from identity.core import paging
from identity.homeservers import changing, views
from identity.homeservers.models import Homeserver
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
    """One homeserver, with its module, its circuit breakers and the ages of its credentials."""
    return views.describe_whole(session, _find(session, name), services.now())


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
