"""Thin tasks, safe twice: the body is a loop over the outbox or one use case."""

import logging
import time
from datetime import datetime, timedelta

import structlog

from identity.core import outbox
from identity.core.job_outcomes import GiveUp, Later, StopRun
from identity.core.outbox import Job, JobKind, Lane
from identity.invitations.jobs import timetable as invitation_timetable
from identity.maintenance import retention
from identity.registration.jobs import accounts
from identity.services import WorkerServices

from .celery_app import alarms, app, process_services
from .jobs import CARRY_OUT
from .slots import JOBS, slot

log = logging.getLogger(__name__)

RUN_TIME = 120.0  # seconds after which a run hands over to the next, so that no lane keeps a slot
TURNED_AWAY = timedelta(seconds=1)  # a bell without a slot rings again: its work may be new
UNFORESEEN = (
    timedelta(seconds=20),
    timedelta(minutes=1),
    timedelta(minutes=10),
    timedelta(hours=1),
)
UNFORESEEN_TRIES = 20


@app.task(name="workers.tasks.empty_outbox")
def empty_outbox(lane: str) -> None:
    """Carry out what is due in a lane, one entry at a time, until nothing is; come back when something will be."""
    services = process_services()
    with slot(Lane(lane)) as is_free:
        due_at = run(services, Lane(lane)) if is_free else services.now() + TURNED_AWAY
        alarms().set(Lane(lane), services.now(), due_at)


@app.task(name="workers.tasks.empty_passwords")
def empty_passwords() -> None:
    """Delete typed passwords that no worker took in time."""
    if count := accounts.empty_passwords(process_services()):
        log.warning("%d typed passwords were not taken within a minute", count)


@app.task(name="workers.tasks.clean_up")
def clean_up() -> None:
    """Delete what has been kept long enough."""
    services = process_services()
    with slot(JOBS) as is_free:
        if is_free:
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
    """Do what is due about invitations: they expire, are reminded of, go into a digest."""
    with slot(JOBS) as is_free:
        if is_free:  # or another one is at it
            invitation_timetable.do_what_is_due(process_services())


def run(services: WorkerServices, lane: Lane) -> datetime | None:
    """One run. When the next is to begin; None: nothing waits, or the relay is down and the timetable begins it."""
    ends_at = time.monotonic() + RUN_TIME
    try:
        while time.monotonic() < ends_at:
            with services.database.transaction() as session:
                entry = outbox.lease_next(session, services.now(), lane)
                next_due = None if entry else outbox.next_due(session, lane)
            if entry is None:
                return next_due
            carry_out(services, entry)
    except StopRun:
        # The relay is down: the next entry would only wait for the same time-out.
        return None
    finally:
        services.mailer.close()
    return services.now()  # ended by the clock, with work left


def carry_out(services: WorkerServices, entry: Job) -> None:
    """Do what an entry asks for, with no transaction open meanwhile, and write down how it ended."""
    with structlog.contextvars.bound_contextvars(kind=entry.kind, entry=str(entry.id)):
        try:
            conclude = CARRY_OUT[JobKind(entry.kind)](services, entry)
        except Later as later:
            with services.database.transaction() as session:
                if outbox.postpone(session, entry, services.now() + later.delay, later.why):
                    later.note(session)
            log.info("attempt %d postponed: %s", entry.attempts, later.why)
            if later.stops_run:
                raise StopRun from None
        except GiveUp as end:
            with services.database.transaction() as session:
                if outbox.give_up(session, entry, services.now(), end.why):
                    end.note(session)
            log.warning("given up after %d attempts: %s", entry.attempts, end.why)
        except Exception as error:
            # A fault of ours: it must stop neither the lane nor be tried for ever.
            log.exception("attempt %d failed", entry.attempts)
            _postpone_unforeseen(services, entry, type(error).__name__)
        else:
            with services.database.transaction() as session:
                if outbox.settle(session, entry, services.now()):
                    conclude(session)


def _postpone_unforeseen(services: WorkerServices, entry: Job, why: str) -> None:
    with services.database.transaction() as session:
        if entry.attempts >= UNFORESEEN_TRIES:
            outbox.give_up(session, entry, services.now(), why)
        else:
            delay = UNFORESEEN[min(entry.attempts, len(UNFORESEEN)) - 1]
            outbox.postpone(session, entry, services.now() + delay, why)
