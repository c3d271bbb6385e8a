"""Lets go the jobs whose hold has ended by itself, and operators' mails while all others are held."""

from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from identity.core import continuity, leases, outbox, waiting_jobs
from identity.core.outbox import Job, JobKind, Lane
from identity.freezes import service as freezes
from identity.homeservers import standing as homeserver_standing
from identity.invitations import block_models as inviter_blocks
from identity.mail.models import Mail
from identity.mail_kinds import KINDS
from identity.services import WorkerServices

OPERATORS: Final = [template for template, kind in KINDS.items() if kind.is_for_operators]


def release_ended(services: WorkerServices) -> None:
    """Release what nothing holds any more. Whoever ends a hold by hand does so at once."""
    with services.database.reading() as session:
        ended = _ended(session, services.now())
    if not ended:
        return
    with services.database.transaction() as session:
        now = services.now()
        for key in _ended(session, now):
            outbox.release(session, now, key)


def lease_for_operators(session: Session, now: datetime, lane: Lane) -> Job | None:
    """While all jobs are held since a backup was loaded: those who put it right get their mails.

    Only those that were ordered since then: others may have left before. Leases as `lease_next`.
    """
    row = continuity.find(session)
    if row is None or row.held_since is None:
        return None
    theirs = select(Mail.id).where(Mail.template.in_(OPERATORS))
    return leases.lease_next(
        session,
        now,
        lane,
        Job.kind == JobKind.MAIL,
        Job.created_at > row.held_since,
        Job.subject_id.in_(theirs),
    )


def _ended(session: Session, now: datetime) -> list[str]:
    holding = waiting_jobs.count_held(session)
    if not holding:
        return []
    in_force = {
        *freezes.keys_in_force(session, now),
        *homeserver_standing.keys_in_force(session, now),
        *inviter_blocks.keys_in_force(session, now),
    }
    return sorted(holding.keys() - in_force)
