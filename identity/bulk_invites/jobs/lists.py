"""Checks, orders or stops a long list, as its state says: every batch in a transaction of its own.

A worker that dies leaves what it did; the next one begins anew and does nothing twice.
"""

from datetime import timedelta

from sqlalchemy.orm import Session

from identity.bulk_invites import models as bulk_invites, ordering
from identity.bulk_invites.models import BulkInvite
from identity.core import leases
from identity.core.job_outcomes import Later, RecordOutcome, record_nothing
from identity.core.outbox import Job
from identity.services import Services


def work_on_list(services: Services, job: Job) -> RecordOutcome:
    """Do it to the end, unless its owner wants something else meanwhile. Raises Later."""
    with services.database.transaction() as session:
        bulk_invite = session.get(BulkInvite, job.subject_id)
        work = None if bulk_invite is None else _work_of(services, session, bulk_invite)
    while work is not None:
        with services.database.transaction() as session:
            bulk_invite = bulk_invites.lock(session, job.subject_id)
            if bulk_invite.state != work.state:
                return record_nothing
            _keep(services, session, job)
            if not work.next_batch(session, services.now(), bulk_invite):
                work = None
    return record_nothing


def _work_of(services: Services, session: Session, bulk_invite: BulkInvite) -> ordering.Work | None:
    rules, now, quota = services.rules.current(), services.now(), services.settings.list_quota
    return ordering.work_of(session, rules, now, bulk_invite, quota=quota)


def _keep(services: Services, session: Session, job: Job) -> None:
    """Lengthen the lease. Raises Later if another worker has the job, or nobody needs it."""
    if not leases.renew(session, job, services.now()):
        raise Later("another worker has taken it over", timedelta())
