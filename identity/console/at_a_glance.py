"""How things stand: homeservers, mails, rules and stops, from few rows and bounded counts."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from identity.core.outbox import WAITING, Job, JobKind
from identity.freezes import models as freezes, views as freeze_views
from identity.homeservers import breakers, standing
from identity.homeservers.models import Homeserver
from identity.homeservers.module_models import HomeserverModule
from identity.operators.roles import Scope
from identity.routing import models as rules
from identity.rule_changes import scopes
from identity.rule_changes.change_models import Change

from .scoping import homeservers_within
from .waiting import MOST, is_review_due

BANNERS: Final = 5  # changes without approval that are named


@dataclass(frozen=True)
class Glance:
    """JSON-ready but for moments, which are datetimes.

    `homeservers`: {"name", "label", "state", "heard_at", "version", "silent": [interface]}.
    `mails`: {"waiting": number (100: more), "oldest": time or null}. `revision`: {"number",
    "published_at"} or None. `freezes`: as `freezes.views.describe`. `unreviewed`: {"label", "by",
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
    return Glance(
        homeservers=_homeservers(session, now, scope),
        mails=_mails(session, now),
        revision=(
            {"number": newest.number, "published_at": newest.published_at} if newest else None
        ),
        freezes=[
            freeze_views.describe(each) | {"since": each.since, "until": each.until}
            for each in freezes.find_in_force(session, now).each
        ],
        unreviewed=_unreviewed(session, scope),
    )


def _homeservers(session: Session, now: datetime, scope: Scope) -> list[dict[str, Any]]:
    query = select(Homeserver, HomeserverModule).outerjoin(HomeserverModule)
    query = query.where(homeservers_within(scope))
    silent = breakers.find_all(session)
    return [
        {
            "name": row.name,
            "label": row.label,
            "state": standing.state_of(row, now),
            "heard_at": module.heard_at if module else None,
            "version": module.version if module else None,
            "silent": sorted(
                interface
                for (name, interface), is_open in silent.items()
                if name == row.name and is_open
            ),
        }
        for row, module in session.execute(query.order_by(Homeserver.name))
    ]


def _mails(session: Session, now: datetime) -> dict[str, Any]:
    due = select(Job.due_at).where(WAITING, Job.kind == JobKind.MAIL, Job.due_at <= now)
    some = due.limit(MOST + 1).subquery()
    oldest, count = session.execute(select(func.min(some.c.due_at), func.count())).one()
    return {"waiting": count, "oldest": oldest}


def _unreviewed(session: Session, scope: Scope) -> list[dict[str, Any]]:
    found = select(Change).where(*is_review_due(), scopes.is_within(scope))
    found = found.order_by(Change.broken_glass_at).limit(BANNERS)
    return [
        {"label": each.label, "by": each.applied_by or "", "until": each.review_until}
        for each in session.scalars(found)
    ]
