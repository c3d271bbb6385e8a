"""How things stand: homeservers, mails, rules and stops, from few rows and bounded counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import case, func, select, true, union_all
from sqlalchemy.orm import Session

from identity.core import paging
from identity.core.outbox import WAITING, Job, JobKind, Lane
from identity.freezes import models as freezes, views as freeze_views
from identity.homeservers import breakers, health_models, rules_held, standing
from identity.homeservers.health_models import HomeserverHealth
from identity.homeservers.models import Homeserver
from identity.homeservers.module_models import HomeserverModule
from identity.mail.models import Mail, MailState
from identity.operators.roles import Scope
from identity.routing import models as rules
from identity.rule_changes import changes, scopes
from identity.rule_changes.change_models import Change

from .scoping import homeservers_within
from .waiting import MOST

DAY: Final = timedelta(hours=24)
ENDS: Final = (MailState.HANDED, MailState.REFUSED, MailState.GAVE_UP)
Row = tuple[Homeserver, HomeserverModule | None, HomeserverHealth | None]
BANNERS: Final = 5  # changes without approval that are named


@dataclass(frozen=True)
class Glance:
    """JSON-ready but for moments, which are datetimes.

    `homeservers`: {"name", "label", "state", "heard_at", "version", "revision", "silent":
    [interface],
    "look": row of HomeserverHealth, or None}. `mails`: {"waiting": number (100: more), "oldest":
    time or null, "failed_percent": of those that ended in 24 hours, or None}. `revision`: {"number",
    "published_at", "taken": as `rules_held.describe_of`} or None. `freezes`: as `freezes.views.describe`. `unreviewed`: {"label", "by",
    "until"}.
    """

    homeservers: list[dict[str, Any]]
    mails: dict[str, Any]
    revision: dict[str, Any] | None
    freezes: list[dict[str, Any]]
    unreviewed: list[dict[str, Any]]


def look(session: Session, now: datetime, scope: Scope) -> Glance:
    """How things stand within this scope; mails, the number of the rules and stops are everybody's."""
    newest = rules.newest_revision(session)
    rows = _rows(session, scope)
    return Glance(
        homeservers=_homeservers(session, now, rows),
        mails=_mails(session, now),
        revision=(
            {
                "number": newest.number,
                "published_at": newest.published_at,
                "taken": rules_held.describe_of([row[:2] for row in rows], newest.number),
            }
            if newest
            else None
        ),
        freezes=[
            freeze_views.describe(each) | {"since": each.since, "until": each.until}
            for each in freezes.find_in_force(session, now).each
        ],
        unreviewed=_unreviewed(session, scope),
    )


def _rows(session: Session, scope: Scope) -> Sequence[Row]:
    look = HomeserverHealth
    query = select(Homeserver, HomeserverModule, look).outerjoin(HomeserverModule)
    last = (look.homeserver == Homeserver.name) & health_models.is_last()
    query = query.outerjoin(look, last).where(homeservers_within(scope))
    found = session.execute(query.order_by(Homeserver.name))
    return [(row, module, looked) for row, module, looked in found]


def _homeservers(session: Session, now: datetime, rows: Sequence[Row]) -> list[dict[str, Any]]:
    silent = breakers.find_all(session)
    return [
        {
            "name": row.name,
            "label": row.label,
            "state": standing.state_of(row, now),
            "heard_at": module.heard_at if module else None,
            "version": module.version if module else None,
            "revision": module.revision if module else None,
            "look": looked,
            "silent": sorted(
                interface
                for (name, interface), is_open in silent.items()
                if name == row.name and is_open
            ),
        }
        for row, module, looked in rows
    ]


def _mails(session: Session, now: datetime) -> dict[str, Any]:
    """How many wait, and how many of the last 10,000 that ended in a day failed; one statement."""
    mail = (WAITING, Job.kind == JobKind.MAIL, Job.due_at <= now)
    due = [
        select(
            select(Job.due_at)
            .where(*mail, Job.lane == lane)
            .order_by(Job.due_at)
            .limit(MOST + 1)
            .subquery()
        )
        for lane in Lane
    ]
    some = union_all(*due).subquery()
    waiting = select(func.min(some.c.due_at).label("at"), func.count().label("n")).select_from(some)
    # By the moment alone: with the states in this place SQLite reads all mails that were handed over.
    ended = select(Mail.state).where(Mail.ended_at > now - DAY)
    last = ended.order_by(Mail.ended_at.desc()).limit(paging.MOST).subquery()
    failed = func.sum(case((last.c.state == MailState.HANDED, 0), else_=1)).label("n")
    outcome = select(failed, func.count().label("all")).where(last.c.state.in_(ENDS)).subquery()
    one = waiting.subquery()
    counted = select(one.c.at, one.c.n, outcome.c.n, outcome.c.all).select_from(one)
    oldest, count, bad, all_of_them = session.execute(counted.join(outcome, true())).one()
    return {
        "waiting": min(count, MOST + 1),
        "oldest": oldest,
        "failed_percent": round(100 * bad / all_of_them, 1) if all_of_them else None,
    }


def _unreviewed(session: Session, scope: Scope) -> list[dict[str, Any]]:
    found = select(Change).where(*changes.is_review_due(), scopes.is_within(scope))
    found = found.order_by(Change.broken_glass_at).limit(BANNERS)
    return [
        {"label": each.label, "by": each.applied_by or "", "until": each.review_until}
        for each in session.scalars(found)
    ]
