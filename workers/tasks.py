"""The Celery tasks: each runs a lane of the outbox, or one task of the timetable.

All may run twice.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError

from identity.core import continuity, outbox, timetable_runs
from identity.core.job_outcomes import GiveUp, Later, StopRun
from identity.core.outbox import Job, JobKind, Lane
from identity.core.retries import UNFORESEEN
from identity.core.timetable_runs import TimetableTask
from identity.invitations.jobs import timetable as invitation_timetable
from identity.maintenance import retention
from identity.registration.jobs import accounts
from identity.services import WorkerServices

from .celery_app import alarms, app, process_services
from .jobs import CARRY_OUT
from .slots import JOBS, slot

log = logging.getLogger(__name__)

RUN_TIME = 120.0  # seconds after which a run ends, so that no lane holds its slot for ever
TURNED_AWAY = timedelta(seconds=1)  # a run without a slot is tried again: its job may be new


@app.task(name="workers.tasks.empty_outbox")
def empty_outbox(lane: str) -> None:
    """Carry out the due jobs of a lane, and set a timer for the next that will be due."""
    services = process_services()
    with slot(Lane(lane)) as is_free:
        due_at = run_lane(services, Lane(lane)) if is_free else services.now() + TURNED_AWAY
        alarms().set(Lane(lane), services.now(), due_at)


@app.task(name="workers.tasks.empty_passwords")
def empty_passwords() -> None:
    """Delete typed passwords that no worker took in time."""
    services = process_services()
    with recorded(services, TimetableTask.EMPTY_PASSWORDS):
        if count := accounts.empty_passwords(services):
            log.warning("%d typed passwords were not taken within a minute", count)


@app.task(name="workers.tasks.clean_up")
def clean_up() -> None:
    """Delete what has been stored long enough, and re-encrypt under the current keys."""
    services = process_services()
    with slot(JOBS) as is_free:
        if is_free:
            with recorded(services, TimetableTask.CLEAN_UP):
                _clean_up(services)


def _clean_up(services: WorkerServices) -> None:
    with services.database.transaction() as session:
        for what, count in retention.clean_up(session, services.now()).items():
            log.info("clean-up: %d %s deleted", count, what)
        hidden = retention.hide_addresses(session, services.hashes, services.now())
        log.info("clean-up: %d addresses of ended invitations hashed", hidden)
    accounts.reseal(services)
    with services.database.transaction() as session:
        services.hashes.settle(session, services.now())


@app.task(name="workers.tasks.keep_invitations")
def keep_invitations() -> None:
    """Expire invitations, send reminders, and look after overdue room checks."""
    services = process_services()
    with slot(JOBS) as is_free:
        if is_free:  # else another process is doing it
            with recorded(services, TimetableTask.KEEP_INVITATIONS):
                _keep_invitations(services)


def _keep_invitations(services: WorkerServices) -> None:
    """Nothing is ordered while jobs are held: it may have been ordered before."""
    with services.database.transaction() as session:
        is_let_go = continuity.check(session, services.database_now(), services.last_seen)
    if is_let_go:
        invitation_timetable.run_due_tasks(services)


@contextmanager
def recorded(services: WorkerServices, task: TimetableTask) -> Iterator[None]:
    """Record when the task ran, and how it ended."""
    began_at, error = services.database_now(), ""
    try:
        yield
    except Exception as failure:
        error = type(failure).__name__
        raise
    finally:
        try:
            with services.database.transaction() as session:
                timetable_runs.record_run(
                    session, task, began_at=began_at, ended_at=services.database_now(), error=error
                )
        except SQLAlchemyError as away:
            log.warning("the run of %s is not recorded: %s", task, type(away).__name__)


def run_lane(services: WorkerServices, lane: Lane) -> datetime | None:
    """Carry out jobs of a lane until none is due or the time of a run is over.

    Returns when the next run is to begin. None: no job is waiting, or the relay is down and the
    timetable begins the next run.
    """
    ends_at = time.monotonic() + RUN_TIME
    try:
        while time.monotonic() < ends_at:
            with services.database.transaction() as session:
                if not continuity.check(session, services.database_now(), services.last_seen):
                    return None  # held: the next sweep asks again
                job = outbox.lease_next(session, services.now(), lane)
                next_due = None if job else outbox.next_due(session, lane)
            if job is None:
                return next_due
            carry_out(services, job)
    except StopRun:
        # The relay is down: the next job would only wait for the same time-out.
        return None
    finally:
        services.mailer.close()
    return services.now()  # the time is over, and jobs are left


def carry_out(services: WorkerServices, job: Job) -> None:
    """Carry out a job with no transaction open meanwhile, and record how it ended."""
    with structlog.contextvars.bound_contextvars(kind=job.kind, job=str(job.id)):
        try:
            conclude = CARRY_OUT[JobKind(job.kind)](services, job)
        except Later as later:
            with services.database.transaction() as session:
                if outbox.postpone(session, job, services.now() + later.delay, later.why):
                    later.note(session)
            log.info("attempt %d postponed: %s", job.attempts, later.why)
            if later.stops_run:
                raise StopRun from None
        except GiveUp as end:
            with services.database.transaction() as session:
                if outbox.give_up(session, job, services.now(), end.why):
                    end.note(session)
            log.warning("given up after %d attempts: %s", job.attempts, end.why)
        except Exception as error:
            # Our fault: it must not stop the lane, nor be tried for ever.
            log.exception("attempt %d failed", job.attempts)
            _postpone_unforeseen(services, job, type(error).__name__)
        else:
            with services.database.transaction() as session:
                if outbox.settle(session, job, services.now()):
                    conclude(session)


def _postpone_unforeseen(services: WorkerServices, job: Job, why: str) -> None:
    now = services.now()
    pause = UNFORESEEN.next_pause(job.attempts, began_at=job.created_at, now=now)
    with services.database.transaction() as session:
        if pause is None:
            outbox.give_up(session, job, now, why)
        else:
            outbox.postpone(session, job, now + pause, why)
