"""/admin/incidents: what operators have stopped, what they stop now, and what they let go on."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

from flask import Response, abort, request
from sqlalchemy import select
from sqlalchemy.orm import Session

from domain_rules.user_ids import homeserver_in
from identity.console import scoping
from identity.core import journal_search, journal_views
from identity.core.journal_search import JournalFilter
from identity.core.personal_data import mask
from identity.freezes import models as freezes, service as freezing, views as freeze_views
from identity.freezes.models import Frozen
from identity.freezes.service import TOGETHER
from identity.homeservers import models as homeservers, standing, views as homeserver_views
from identity.homeservers.models import Homeserver
from identity.invitations import block_models as inviter_blocks, blocks
from identity.invitations.block_models import InviterBlock
from identity.operators.roles import Deed
from identity.web.rendering import Fault
from identity.web.request_context import services

from . import things
from .frame import form, go_to, say, screen, typed_reason
from .operator_session import actor, operator
from .things import show_thing

ALL: Final = "all"
INVITER: Final = "inviter"
CHOICES: Final = (
    *(Frozen.SIGN_UPS, Frozen.INVITATIONS, Frozen.MAILS, ALL),
    *(Frozen.DOMAIN, INVITER, Frozen.CONSOLE),
)
NAMED: Final = {Frozen.DOMAIN, INVITER}  # what needs a name beside it
PAST: Final = 20
PAST_ACTIONS: Final = ("freeze", "inviter")


@screen("/incidents", Deed.SEE)
def incidents() -> Response:
    """What is stopped now, the form that stops more, and what was done lately."""
    return _show()


@form("/incidents", Deed.FREEZE)
def stop() -> Response:
    """Stop it, or give what is stopped another end."""
    what, name = request.form.get("what", ""), request.form.get("name", "").strip()
    if what not in CHOICES:
        abort(HTTPStatus.NOT_FOUND)
    if what == INVITER:
        return _block(name)
    domain = things.read_domain(name) if what == Frozen.DOMAIN else ""
    if domain is None:
        return _show([things.fault("name", "console.incidents.no_domain")])
    things.check_freeze_within(domain)
    until, who = things.until(), actor(typed_reason())
    with things.staying_on("incidents"), services.database.transaction() as session:
        now = services.now()
        for each in TOGETHER if what == ALL else [Frozen(what)]:
            freezing.freeze(session, now, who, each, domain=domain, until=until, may_shorten=False)
        things.tell_operators(session, f"{what} {domain}".rstrip(), until)
    say("console.incidents.done_stop")
    return go_to("incidents")


@form("/incidents/thaw", Deed.THAW)
def thaw() -> Response:
    """Let it go on: what waited leaves in its order."""
    what, domain = request.form.get("what", ""), request.form.get("name", "")
    if what not in set(Frozen):
        abort(HTTPStatus.NOT_FOUND)
    things.check_freeze_within(domain)
    with services.database.transaction() as session:
        who = actor(typed_reason())
        done = freezing.thaw(session, services.now(), who, Frozen(what), domain=domain)
    say("console.incidents.done_thaw" if done else "console.incidents.nothing")
    return go_to("incidents")


@form("/incidents/console/stop", Deed.MANAGE_ACCESS)
def stop_console() -> Response:
    """By an admin, who may freeze nothing else: let only admins in."""
    until, who = things.until(), actor(typed_reason())
    with services.database.transaction() as session:
        freezing.freeze(session, services.now(), who, Frozen.CONSOLE, until=until)
        things.tell_operators(session, Frozen.CONSOLE, until)
    say("console.incidents.done_stop")
    return go_to("incidents")


@form("/incidents/console/thaw", Deed.MANAGE_ACCESS)
def thaw_console() -> Response:
    """By an admin: let all operators in again."""
    with services.database.transaction() as session:
        who = actor(typed_reason())
        done = freezing.thaw(session, services.now(), who, Frozen.CONSOLE)
    say("console.incidents.done_thaw" if done else "console.incidents.nothing")
    return go_to("incidents")


@form("/incidents/unblock", Deed.THAW)
def unblock() -> Response:
    """Let an inviter invite again; the form names them by a keyed hash."""
    with services.database.transaction() as session:
        found = _find_block(session, request.form.get("name", ""))
        if found is None:
            abort(HTTPStatus.NOT_FOUND)
        who = actor(typed_reason())
        blocks.unblock(session, services.now(), who, found.user_id, hashes=services.hashes)
    say("console.incidents.done_thaw")
    return go_to("incidents")


@form("/incidents/extend", Deed.FREEZE)
def extend_block() -> Response:
    """Give the block of an inviter another end."""
    with services.database.reading() as session:
        found = _find_block(session, request.form.get("name", ""))
    if found is None:
        abort(HTTPStatus.NOT_FOUND)
    return _block(found.user_id)


def _block(user_id: str) -> Response:
    """Block an inviter of a homeserver that is registered."""
    until, name = things.until(), homeserver_in(user_id)
    with things.staying_on("incidents"), services.database.transaction() as session:
        if name is None or homeservers.find(session, name) is None:
            return _show([things.fault("name", "console.incidents.no_inviter")])
        if not operator().scope.covers(homeserver=name):
            abort(HTTPStatus.NOT_FOUND)
        who, now = actor(typed_reason()), services.now()
        blocks.block(
            session, now, who, user_id, hashes=services.hashes, until=until, may_shorten=False
        )
        things.tell_operators(session, f"{INVITER} {mask(user_id)}", until)
    say("console.incidents.done_stop")
    return go_to("incidents")


def _find_block(session: Session, name: str) -> InviterBlock | None:
    """The block in force whose inviter the journal names so, within the scope."""
    return next(
        (
            each
            for each in _blocks_within(session)
            if services.hashes.find_journal_name_of_user(session, each.user_id) == name
        ),
        None,
    )


def _blocks_within(session: Session) -> list[InviterBlock]:
    scope = operator().scope
    found = inviter_blocks.find_in_force(session, services.now())
    return [each for each in found if scope.covers(homeserver=homeserver_in(each.user_id))]


def _show(faults: Sequence[Fault] = ()) -> Response:
    with services.database.reading() as session:
        now = services.now()
        frozen = [freeze_views.describe(each) for each in freezes.find_in_force(session, now).each]
        blocked = [_describe_block(session, each) for each in _blocks_within(session)]
        stopped = Homeserver.held_at.is_not(None) | Homeserver.suspended_at.is_not(None)
        within = scoping.homeservers_within(operator().scope)
        servers = session.scalars(select(Homeserver).where(stopped, within)).all()
        held = [
            homeserver_views.describe(each, now)
            for each in servers
            if not standing.is_reachable(each, now)
        ]
        past = _past(session) if operator().scope.is_all else []
    return show_thing(
        "incidents",
        faults=list(faults),
        frozen=frozen,
        blocked=blocked,
        held=held,
        past=past,
        choices=CHOICES,
    )


def _describe_block(session: Session, each: InviterBlock) -> dict[str, Any]:
    name = services.hashes.find_journal_name_of_user(session, each.user_id)
    return blocks.describe(each) | {"user_id": mask(each.user_id), "name": name or ""}


def _past(session: Session) -> list[dict[str, Any]]:
    """What was stopped and let go lately, newest first."""
    rows = [
        journal_views.describe(entry, is_masked=True)
        for action in PAST_ACTIONS
        for entry in journal_search.find(session, JournalFilter(action=action), limit=PAST).items
    ]
    return sorted(rows, key=lambda row: -row["number"])[:PAST]
