"""The Celery tasks: each runs a lane of the outbox, or one task of the timetable.

All may run twice.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache, partial
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError

from identity.core import (
    batches,
    continuity,
    leases,
    metrics,
    reservations,
    timetable_runs,
    tracing,
)
from identity.core.job_outcomes import GiveUp, Later, RecordOutcome, StopRun
from identity.core.outbox import Job, JobKind, Lane
from identity.core.retries import UNFORESEEN
from identity.core.timetable_runs import TimetableTask
from identity.health import jobs as health, looking
from identity.health.heartbeat import measure_offset
from identity.invitations.jobs import timetable as invitation_timetable
from identity.keys import service as signing_keys
from identity.mail.mailer import Mailer, make_mailer
from identity.maintenance import retention
from identity.operators import jobs as operator_jobs, notices as operator_notices
from identity.problems import Stopped
from identity.registration.jobs import accounts
from identity.services import WorkerServices

from . import holds, job_batches, looks
from .alarms import Alarms
from .celery_app import app, finish_bells, process_begins, process_ends, process_services
from .jobs import CARRY_OUT
from .slots import JOBS, slot
from .sweeper import Sweeper

log = logging.getLogger(__name__)

RUN_TIME = 120.0  # seconds after which a run ends, so that no lane holds its slot for ever
CLEAN_UP_TIME = 90.0  # seconds for one run of the clean-up, below the task limit
DONE, POSTPONED, HELD, GIVEN_UP, FAILED = "done", "postponed", "held", "given_up", "failed"
SAID = {
    DONE: "attempt %d done%s",
    POSTPONED: "attempt %d postponed: %s",
    HELD: "attempt %d held until it may go on: %s",
    GIVEN_UP: "given up after %d attempts: %s",
    FAILED: "attempt %d failed: %s",
}
HandOver = Callable[[], RecordOutcome | None]
"""Carries out a job of a batch. Returns None: the batch settles it."""
MOST_UNCERTAIN = 10  # attempts that no worker has ended, before a job is given up
TURNED_AWAY = timedelta(seconds=1)  # a run without a slot is tried again: its job may be new

_idle_mailers: list[Mailer] = []


@cache
def alarms() -> Alarms:
    """The timers of this worker process. Each looks itself: the broker may be away."""
    return Alarms(_look_into)


@cache
def sweeper() -> Sweeper:
    """The thread of this worker process that looks without being woken."""
    others: dict[str, Callable[[], object]] = {
        looks.PASSWORDS: empty_passwords,
        looks.TIMETABLE: run_missed_tasks,
        looks.PROVIDER: read_provider,
    }
    return Sweeper(keep_time, partial(look, comes_again=True), others)


@process_begins.connect
def start_sweeper(**_: Any) -> None:
    sweeper().start()


@process_ends.connect
def stop_sweeper(**_: Any) -> None:
    sweeper().stop()
    finish_bells()  # also those of its last job: the pool's processes do not come to `atexit`


def keep_time() -> None:
    """Go by the clock of the database if that of this machine is far off."""
    services = process_services()
    with services.database.reading() as session:
        services.clock_offset.correct(measure_offset(services, session))


def _look_into(lanes: set[str]) -> None:
    for lane in lanes:
        if not sweeper().is_stopping:
            empty_outbox(lane)


@app.task(name="workers.tasks.empty_outbox")
def empty_outbox(lane: str) -> None:
    """Carry out the due jobs of a lane, and set a timer for the next that will be due."""
    try:
        look(Lane(lane))
    except SQLAlchemyError as error:
        log.warning("lane %s: the database is away: %s", lane, type(error).__name__)


def look(lane: Lane, *, comes_again: bool = False) -> None:
    """Carry out the due jobs of a lane if it has a free slot here, and set its timer.

    Without a slot the timer is set to a second later, unless the caller `comes_again` by itself.
    Several threads of a process may look at once.
    """
    with slot(lane) as is_free:
        if is_free:
            looks.record(lane)
            with own_services() as services:
                due_at = run_lane(services, lane, is_ending=lambda: sweeper().is_stopping)
        elif comes_again:
            return
        else:
            due_at = process_services().now() + TURNED_AWAY
        alarms().set(lane, process_services().now(), due_at)


@contextmanager
def own_services() -> Iterator[WorkerServices]:
    """The services of this process with a mailer that no other thread has meanwhile."""
    services = process_services()
    try:
        mailer = _idle_mailers.pop()
    except IndexError:  # all are in use
        mailer = make_mailer(services.settings)
    try:
        yield replace(services, mailer=mailer)
    finally:
        _idle_mailers.append(mailer)


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
    is_over = batches.after(CLEAN_UP_TIME)
    done = retention.clean_up(services.database, services.now(), services.hashes, until=is_over)
    for what, count in done.counts.items():
        log.info("clean-up: %d %s", count, what)
    accounts.reseal(services)
    sealed = signing_keys.reseal(services.database, services.vault, until=is_over)
    log.info("%d secrets sealed anew with the storage key in use", sealed.count)
    if sealed.closed:
        log.error("%d secrets are sealed with a storage key that is missing", sealed.closed)
    with services.database.transaction() as session:
        services.hashes.settle(session, services.now())
        looking.order_nightly(session, services.now())
        if told := operator_notices.tell_of_ending_tokens(session, services.now()):
            log.info("%d operators are told that an API token of theirs ends soon", told)
    if done.unfinished or not sealed.is_whole:
        log.warning("clean-up: its time is over; the next run goes on with the rest")


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


@app.task(name="workers.tasks.look_at_health")
def look_at_health() -> None:
    """Run the checks of doctor, and ask every homeserver how fast it answers."""
    services = process_services()
    with slot(JOBS) as is_free:
        if is_free:
            with recorded(services, TimetableTask.LOOK_AT_HEALTH):
                health.look(services)


def run_missed_tasks() -> None:
    """Run the tasks of the timetable whose message was lost, or never sent."""
    services = process_services()
    now = services.database_now()
    with services.database.reading() as session:
        runs = timetable_runs.find_all(session)
    missed = {run.task for run in runs if timetable_runs.is_missed(run, now)}
    for task in (keep_invitations, clean_up, look_at_health):
        if task.__name__ in missed:
            log.warning("the sweep runs %s: its message did not come", task.__name__)
            task()


def read_provider() -> None:
    """Read what the OpenID provider of operators says of itself, each hour."""
    operator_jobs.read_provider(process_services())


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


def run_lane(
    services: WorkerServices, lane: Lane, *, is_ending: Callable[[], bool] = lambda: False
) -> datetime | None:
    """Carry out jobs of a lane until none is due, the time of a run is over or the process ends.

    Returns when the next run is to begin. None: no job is waiting, or the relay is down and the
    timetable begins the next run.
    """
    ends_at = time.monotonic() + RUN_TIME
    holds.release_ended(services)
    try:
        while time.monotonic() < ends_at and not is_ending():
            leased = lease(services, lane)
            if leased.batch:
                job_batches.Batch(services, leased.batch, is_ending=is_ending).carry_out(carry_out)
            elif leased.job:
                carry_out(services, leased.job)
            else:
                return leased.next_due
    except StopRun:
        # The relay is down: the next job would only wait for the same time-out.
        return None
    finally:
        services.mailer.close()
    return services.now()  # the time is over, and jobs are left


@dataclass(frozen=True)
class Leased:
    """What a run goes on with: a batch of one kind, a job, or nothing until `next_due`."""

    batch: Sequence[Job] = ()
    job: Job | None = None
    next_due: datetime | None = None


def lease(services: WorkerServices, lane: Lane) -> Leased:
    """Take what is due longest in a lane: several of one kind, or one job."""
    with services.database.transaction() as session:
        now = services.now()
        if not continuity.check(session, services.database_now(), services.last_seen):
            # Held: the next sweep asks again.
            return Leased(job=holds.lease_for_operators(session, now, lane))
        if batch := reservations.reserve(session, now, lane, job_batches.sizes()):
            return Leased(batch)
        if job := leases.lease_next(session, now, lane):
            return Leased(job=job)
        return Leased(next_due=leases.next_due(session, lane))


def carry_out(services: WorkerServices, job: Job, *, hand_over: HandOver | None = None) -> None:
    """Carry out a job with no transaction open meanwhile; record, count and log how it ended.

    `hand_over`: for a job of a batch, which the caller settles if it was carried out.
    """
    about = structlog.contextvars.bound_contextvars(kind=job.kind, job=str(job.id))
    with about, tracing.job(job.trace_id) as trace:
        labels = {"lane": job.lane, "kind": job.kind}
        if repeated := job.uncertain - 1:
            metrics.JOBS_REPEATED.inc(**labels)
            log.warning("%d earlier attempts have no known end: it may be done twice", repeated)
        began = time.perf_counter()
        outcome, why, stops = _carry_out(services, job, hand_over)
        seconds = time.perf_counter() - began
        metrics.JOBS.inc(**labels, outcome=outcome)
        metrics.JOB_SECONDS.observe(seconds, **labels)
        log.log(
            logging.WARNING if outcome == GIVEN_UP else logging.INFO,
            SAID[outcome],
            job.attempts,
            why,
            extra={
                **labels,
                "attempt": job.attempts,
                "outcome": outcome,
                "ms": round(seconds * 1000, 1),
                **trace.facts,
            },
        )
    if stops:
        raise StopRun


def _carry_out(
    services: WorkerServices, job: Job, hand_over: HandOver | None
) -> tuple[str, str, bool]:
    """How it ended, why, and whether the run of its lane ends, too."""
    if job.uncertain > MOST_UNCERTAIN:  # it may be what its workers die of
        why = f"{job.uncertain - 1} attempts have no known end"
        with services.database.transaction() as session:
            leases.give_up(session, job, services.now(), why)
        return GIVEN_UP, why, False
    try:
        conclude = (hand_over or partial(CARRY_OUT[JobKind(job.kind)], services, job))()
    except Later as later:
        with services.database.transaction() as session:
            until = services.now() + later.delay
            if leases.postpone(session, job, until, later.why, is_uncertain=later.is_uncertain):
                later.note(session)
        return POSTPONED, later.why, later.stops_run
    except Stopped as stopped:
        with services.database.transaction() as session:
            leases.hold(session, job, services.now(), stopped.held_by)
        return HELD, stopped.reason, False
    except GiveUp as end:
        with services.database.transaction() as session:
            if leases.give_up(session, job, services.now(), end.why):
                end.note(session)
        return GIVEN_UP, end.why, False
    except Exception as error:
        # Our fault: it must not stop the lane, nor be tried for ever.
        log.exception("attempt %d failed", job.attempts, extra={"kind": job.kind})
        _postpone_unforeseen(services, job, type(error).__name__)
        return FAILED, type(error).__name__, False
    if conclude is not None:
        with services.database.transaction() as session:
            if leases.settle(session, job, services.now()):
                conclude(session)
    return DONE, "", False


def _postpone_unforeseen(services: WorkerServices, job: Job, why: str) -> None:
    now = services.now()
    pause = UNFORESEEN.next_pause(job.attempts, began_at=job.created_at, now=now)
    with services.database.transaction() as session:
        if pause is None:
            leases.give_up(session, job, now, why)
        else:
            leases.postpone(session, job, now + pause, why)
