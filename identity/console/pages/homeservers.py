"""/admin/homeservers: how each stands and answers, and what operators change about it."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final

from flask import Response, abort, request
from sqlalchemy import select
from sqlalchemy.orm import Session

from domain_rules.federation import CLASS_SOURCES
from identity.client_links import WRITTEN
from identity.console import scoping
from identity.core import paging
from identity.core.findings import State
from identity.core.journal import Actor
from identity.core.outbox import JobKind
from identity.health import finding_models, looking, views as health_views
from identity.homeservers import changing, health_models, service, views
from identity.homeservers.changing import Keys, NothingToChange
from identity.homeservers.health_models import SLOW, HomeserverHealth
from identity.homeservers.models import Homeserver
from identity.homeservers.service import WrongHomeserver
from identity.invitations import homeserver_jobs as jobs
from identity.keys import models as signing_keys
from identity.operators.roles import Deed
from identity.synapse_api import report_models as module_reports
from identity.web import wording
from identity.web.rendering import Fault
from identity.web.request_context import services

from . import things
from .frame import form, go_to, say, screen, typed_reason
from .operator_session import actor, operator
from .things import show_thing

OVERLAP: Final = timedelta(hours=24)  # for which the old credential stays valid
REFUSALS: Final = timedelta(days=7)
CLEARABLE: Final = ("federation_url", "base_url", "client_url", "phone_url")
FIELDS: Final = ("label", "url", *CLEARABLE, "class_source")

Change = Callable[[Session, datetime, Actor, str], object]


@screen("/homeservers", Deed.SEE)
def homeservers() -> Response:
    """All of them, with their last answer and their module."""
    within = scoping.homeservers_within(operator().scope)
    with services.database.reading() as session:
        now = services.now()
        found = session.scalars(select(Homeserver).where(within).order_by(Homeserver.name)).all()
        rows = views.describe_all(session, found, now)
        looks = health_models.find_last(session, now - health_models.KEPT)
    revision = services.rules.current().revision
    return show_thing("homeservers", rows=rows, looks=looks, slow=SLOW, revision=revision)


@screen("/homeservers/<name>", Deed.SEE)
def homeserver(name: str) -> Response:
    """One homeserver."""
    return _show(name)


@screen("/homeservers/<name>/jobs", Deed.SEE)
def homeserver_jobs(name: str) -> Response:
    """What is to be done there beside deliveries, and what was given up; the oldest first."""
    with services.database.reading() as session:
        _find(session, name)
        page = jobs.find_others(session, name, after=request.args.get("after"))
    rows = [jobs.describe_job(each) for each in page.items]
    following = page.following and {"name": name, "after": page.following}
    return show_thing("homeserver_jobs", name=name, rows=rows, following=following)


@form("/homeservers/<name>/jobs", Deed.HANDLE_INVITATION)
def repeat_homeserver_jobs(name: str) -> Response:
    """Try those that were ticked once more."""
    ids = things.read_ids(request.form.getlist("id"))
    with services.database.transaction() as session:
        _find(session, name)
        done = jobs.try_again(session, services.now(), _actor(), name, ids)
    say("console.homeserver.repeated", n=done)
    return go_to("homeserver_jobs", name=name)


@screen("/homeservers/<name>/edit", Deed.MANAGE_HOMESERVER)
def edit_homeserver(name: str) -> Response:
    """The form with what it has now."""
    with services.database.reading() as session:
        shown = views.describe(_find(session, name), services.now())
    return _show_form(name, {field: shown[field] or "" for field in FIELDS})


@form("/homeservers/<name>/edit", Deed.MANAGE_HOMESERVER)
def change_homeserver(name: str) -> Response:
    """Change what was typed; what cannot be is told at the form."""
    typed = {field: request.form.get(field, "").strip() for field in FIELDS}
    wanted: dict[str, str | None] = {
        field: value or None for field, value in typed.items() if value or field in CLEARABLE
    }
    if typed["class_source"] not in CLASS_SOURCES:
        abort(HTTPStatus.NOT_FOUND)
    keys = Keys(services.vault, services.public_half)
    try:
        with services.database.transaction() as session:
            _find(session, name)
            changing.change(session, services.now(), _actor(), name, wanted, keys=keys)
    except NothingToChange:
        say("console.homeserver.same")
    except WrongHomeserver as wrong:
        return _show_form(name, typed, [Fault("label", str(wrong))])
    else:
        say("console.homeserver.changed")
    return go_to("homeserver", name=name)


@form("/homeservers/<name>/credential", Deed.MANAGE_HOMESERVER)
def rotate_credential(name: str) -> Response:
    """A new credential, shown once; the old one stays valid for a day."""
    with services.database.transaction() as session:
        _find(session, name)
        now = services.now()
        token = service.issue_credential(session, now, name, _actor(), overlap=OVERLAP)
    return show_thing("credential", name=name, token=token, until=now + OVERLAP)


@form("/homeservers/<name>/hold", Deed.FREEZE)
def hold_homeserver(name: str) -> Response:
    """Send nothing there for some hours."""
    until = things.until()

    def hold(session: Session, now: datetime, who: Actor, name: str) -> object:
        things.tell_operators(session, name, until)
        return changing.hold(session, now, who, name, until=until, may_shorten=False)

    with things.staying_on("homeserver", name=name):
        return _do(name, hold, "console.homeserver.done_hold")


@form("/homeservers/<name>/release", Deed.THAW)
def release_homeserver(name: str) -> Response:
    """What waited for it goes on."""
    return _do(name, changing.release, "console.homeserver.done_release")


@form("/homeservers/<name>/suspend", Deed.MANAGE_HOMESERVER)
def suspend_homeserver(name: str) -> Response:
    """Refuse its credential and its people."""

    def suspend(session: Session, now: datetime, who: Actor, name: str) -> object:
        things.tell_operators(session, name, None)
        return changing.suspend(session, now, who, name)

    return _do(name, suspend, "console.homeserver.done_suspend")


@form("/homeservers/<name>/resume", Deed.MANAGE_HOMESERVER)
def resume_homeserver(name: str) -> Response:
    """Hear its credential and its people again."""
    return _do(name, changing.resume, "console.homeserver.done_resume")


@form("/homeservers/<name>/retire", Deed.MANAGE_HOMESERVER)
def retire_homeserver(name: str) -> Response:
    """Make no new accounts there."""
    return _do(name, changing.retire, "console.homeserver.done_retire")


@form("/homeservers/<name>/reinstate", Deed.MANAGE_HOMESERVER)
def reinstate_homeserver(name: str) -> Response:
    """Make accounts there again."""
    return _do(name, changing.reinstate, "console.homeserver.done_reinstate")


@form("/homeservers/<name>/look", Deed.SEE)
def look_at_homeserver(name: str) -> Response:
    """Let the worker ask it now, with everything else that doctor checks."""
    with services.database.transaction() as session:
        _find(session, name)
        looking.order(session, services.now(), JobKind.HEALTH)
    say("console.homeserver.looking")
    return go_to("homeserver", name=name)


def _do(name: str, change: Change, told: str) -> Response:
    try:
        with services.database.transaction() as session:
            _find(session, name)
            change(session, services.now(), _actor(), name)
    except NothingToChange:
        say("console.homeserver.same")
    else:
        say(told)
    return go_to("homeserver", name=name)


def _show(name: str) -> Response:
    with services.database.reading() as session:
        now = services.now()
        row = _find(session, name)
        shown = views.describe_whole(session, row, now)
        looks = health_models.find(session, name)
        refusals = module_reports.count_refusals(session, name, now - REFUSALS)
        findings = finding_models.find_about(session, name)
        within = scoping.invitations_within(session, operator().scope)
        columns = (*jobs.counts(name, within), *signing_keys.newest_columns())
        numbers = session.execute(select(*columns)).mappings().one()
    told = [
        health_views.say_finding(health_views.describe_finding(each), wording.language())
        for each in findings
    ]
    return show_thing(
        "homeserver",
        shown=shown,
        revision=services.rules.current().revision,
        numbers=numbers,
        most=paging.MOST,
        needed=[each for each in told if each["state"] != State.OK],
        good=[each for each in told if each["state"] == State.OK],
        last=looks[0] if looks else None,
        hours_of_health=_by_hour(looks),
        refusals=refusals,
        slow=SLOW,
    )


def _show_form(name: str, values: dict[str, str], faults: Iterable[Fault] = ()) -> Response:
    return show_thing(
        "homeserver_edit",
        name=name,
        values=values,
        sources=sorted(CLASS_SOURCES),
        placeholders=WRITTEN,
        faults=list(faults),
    )


def _find(session: Session, name: str) -> Homeserver:
    within = scoping.homeservers_within(operator().scope)
    found = session.scalar(select(Homeserver).where(Homeserver.name == name, within))
    if found is None:
        abort(HTTPStatus.NOT_FOUND)
    return found


def _actor() -> Actor:
    return actor(typed_reason())


def _by_hour(looks: Iterable[HomeserverHealth]) -> list[dict[str, Any]]:
    """For each hour, newest first: when it began, looks, those without an answer, the slowest."""
    hours: dict[datetime, list[int | None]] = defaultdict(list)
    for each in looks:
        hours[each.at.replace(minute=0, second=0, microsecond=0)].append(each.milliseconds)
    return [
        {
            "began_at": began_at,
            "looks": len(found),
            "silent": sum(each is None for each in found),
            "slowest": max((each for each in found if each is not None), default=None),
        }
        for began_at, found in sorted(hours.items(), reverse=True)
    ]
