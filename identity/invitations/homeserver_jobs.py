"""What is to be done at one homeserver, and what was given up: deliveries, and other jobs.

A delivery belongs to the homeserver of the invited person, whoever invited them. That one was given
up stands with its invitation; of the other jobs it stands in the outbox, for a month.
"""

import uuid
from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Label, func, literal, select, true
from sqlalchemy.orm import Session

from identity.core import journal, outbox, paging
from identity.core.journal import Actor
from identity.core.outbox import TO_ONE, Job, JobKind
from identity.core.paging import Page
from identity.core.user_servers import server_of
from identity.homeservers import standing

from .models import Delivery, ThirdPartyInvitation

UNDERWAY: Final = (Delivery.DUE, Delivery.SENDING)
UNDELIVERED: Final = (*UNDERWAY, Delivery.DEAD)
REPEATABLE: Final = (JobKind.REVOCATION, JobKind.LOST_INVITATION)
"""Given up, these may be tried again by hand: done twice, they change nothing."""


def is_undelivered_to(homeserver: str) -> ColumnElement[bool]:
    """Whether an invitation is to be delivered to a person there, or could not be."""
    row = ThirdPartyInvitation
    return (server_of(row.invitee) == homeserver) & row.delivery.in_(UNDELIVERED)


def counts(homeserver: str, within: ColumnElement[bool] | None = None) -> list[Label[int]]:
    """Columns of one statement, each a number that stops behind `paging.MOST`; see `describe`.

    `within`: which invitations the reader may see.
    """
    row, seen = ThirdPartyInvitation, true() if within is None else within
    own = (server_of(row.invitee) == homeserver, seen)
    held = Job.held_by == standing.key_of(homeserver)
    return [
        _up_to_most(*own, row.delivery.in_(UNDERWAY)).label("deliveries_waiting"),
        _up_to_most(*own, row.delivery == Delivery.DEAD).label("deliveries_given_up"),
        _up_to_most(*_is_other(homeserver), Job.gave_up_at.is_(None)).label("others_waiting"),
        _up_to_most(*_is_other(homeserver), Job.gave_up_at.is_not(None)).label("others_given_up"),
        _up_to_most(held).label("held"),
    ]


def describe(
    session: Session, homeserver: str, within: ColumnElement[bool] | None = None
) -> dict[str, int]:
    """How many jobs there are, each number at most 10,001: more than 10,000.

    {"deliveries_waiting", "deliveries_given_up", "others_waiting", "others_given_up", "held"}.
    `held`: those of all that wait because operators stopped the homeserver.
    """
    return dict(session.execute(select(*counts(homeserver, within))).mappings().one())


def find_others(
    session: Session, homeserver: str, *, after: str | None = None, limit: int = paging.LIMIT
) -> Page[Job]:
    """A page of the jobs that are no deliveries, the oldest first. Raises WrongParameter."""
    query = select(Job).where(*_is_other(homeserver))
    keys = (Job.created_at, Job.id)
    return paging.find_page(session, query, keys, after=after, limit=limit, descending=False)


def describe_job(job: Job) -> dict[str, Any]:
    """A job, as JSON. `state`: waiting, held or given_up. `last_error`: why it was not done yet."""
    state = "given_up" if job.gave_up_at else "held" if job.held_by else "waiting"
    return {
        "id": str(job.id),
        "kind": job.kind,
        "state": state,
        "created_at": _moment(job.created_at),
        "due_at": _moment(job.due_at) if state == "waiting" else None,
        "gave_up_at": _moment(job.gave_up_at),
        "attempts": job.attempts,
        "last_error": job.last_error,
        "can_repeat": state == "given_up" and job.kind in REPEATABLE,
    }


def try_again(
    session: Session, now: datetime, who: Actor, homeserver: str, ids: Collection[uuid.UUID]
) -> int:
    """Make these given-up jobs of a homeserver due now, as far as they may be repeated.

    Returns how many.
    """
    # Of two operators who tick the same at once, the second finds that it is under way.
    found = session.scalars(
        select(Job)
        .where(
            *_is_other(homeserver),
            Job.id.in_(ids),
            Job.gave_up_at.is_not(None),
            Job.kind.in_(REPEATABLE),
        )
        .order_by(Job.id)
        .with_for_update()
    ).all()
    outbox.retry_these(session, found, now)
    if found:
        facts = {"jobs": len(found), "kinds": sorted({job.kind for job in found})}
        journal.write(
            session, now, who, action="homeserver.retry_jobs", subject=homeserver, facts=facts
        )
    return len(found)


def _is_other(homeserver: str) -> tuple[ColumnElement[bool], ...]:
    return (Job.homeserver == homeserver, TO_ONE, Job.kind != JobKind.ONBIND)


def _up_to_most(*which: ColumnElement[bool]) -> Any:
    some = select(literal(1)).where(*which).limit(paging.MOST + 1).subquery()
    return select(func.count()).select_from(some).scalar_subquery()


def _moment(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None
