"""What the worker does with a change of rules: it counts whom it affects, and applies it."""

from collections.abc import Iterable
from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy.orm import Session

from domain_rules.rule import InvalidRule
from identity.core import leases
from identity.core.job_outcomes import Later, RecordOutcome, record_nothing
from identity.core.outbox import Job
from identity.core.retries import UNFORESEEN
from identity.problems import BaseMoved, Problem, UnknownHomeserver, UnreadableFile
from identity.services import WorkerServices

from . import applying, change_models as models, checking, files, imports, lines, telling
from .applying import Applied
from .change_models import Change, ChangeState
from .checking import Checked
from .files import Format, OfLists
from .imports import ImportState, Obstacle, Prepared, RuleImport

AT_ONCE = 2_000  # entries of a file between two renewals of the lease
TURNS = 3  # how often it counts anew because what it counted moved


def check_change(services: WorkerServices, job: Job) -> RecordOutcome:
    """Count whom it affects, and show how far it has come."""
    with services.database.reading() as session:
        change = models.find_by_id(session, job.subject_id)
        if change is None or change.state != ChangeState.CHECKING:
            return record_nothing
    try:
        checked = _count(services, job)
    except (Problem, InvalidRule) as problem:
        return partial(_fail, services, job, _obstacle_of(problem), str(problem))
    return (
        partial(_store, services, job, checked) if checked else partial(_make_stale, services, job)
    )


def apply_change(services: WorkerServices, job: Job) -> RecordOutcome:
    """Count again and publish. What moved meanwhile is counted once more, a few times."""
    for _ in range(TURNS):
        with services.database.reading() as session:
            change = models.find_by_id(session, job.subject_id)
            if change is None or not applying.is_due(change, services.now()):
                return record_nothing
        try:
            checked = _count(services, job)
            if checked is None:
                return partial(_make_stale, services, job)
            if not _apply(services, job, checked).is_moved:
                return record_nothing
        except BaseMoved:  # another revision was published at this moment
            continue
        except (Problem, InvalidRule) as problem:
            return partial(_fail, services, job, _obstacle_of(problem), str(problem))
    pause = UNFORESEEN.next_pause(job.attempts, began_at=job.created_at, now=services.now())
    if pause is None:
        why = "addresses or rules changed all the while"
        return partial(_fail, services, job, models.Obstacle.UNSETTLED, why)
    raise Later("addresses or rules changed while they were counted", pause)


def read_rule_file(services: WorkerServices, job: Job) -> RecordOutcome:
    """Read a file that an operator sent, and make a change of its lines."""
    with services.database.reading() as session:
        row = session.get(RuleImport, job.subject_id)
        if row is None or row.state != ImportState.WAITING:
            return record_nothing
        here = files.find_existing(session)
    of_lists = OfLists(**row.of_lists)
    follow = partial(_go_on, services, job)
    try:
        content = files.read(row.name, row.content, here, of_lists, follow)
    except UnreadableFile as problem:
        is_bare = files.format_of(row.name, row.content) is Format.LIST and not of_lists.homeserver
        what = Obstacle.NO_HOMESERVER if is_bare else Obstacle.UNREADABLE
        return partial(_record_obstacle, services, job, what, str(problem))
    prepared = imports.prepare(content, here, services.now(), exactly=row.exactly)
    return partial(_record_import, services, job, prepared)


def remind_of_review(services: WorkerServices, job: Job) -> RecordOutcome:
    """Mail the approvers about what was applied without approval, until somebody has read it."""

    def record(session: Session) -> None:
        change = models.find_by_id(session, job.subject_id)
        if change is not None:
            telling.remind(session, services.now(), change)

    return record


def _count(services: WorkerServices, job: Job) -> Checked | None:
    """Whom it affects now; None if rules of its lines were changed since its base."""
    with services.database.reading(as_of_one_moment=True) as session:
        change = models.find_by_id(session, job.subject_id)
        if change is None or lines.find_touched(session, change):
            return None
        follow = checking.following(partial(_record_progress, services, job))
        return checking.count(session, services.now(), change, follow)


def _apply(services: WorkerServices, job: Job, checked: Checked) -> Applied:
    with services.database.transaction() as session:
        _keep(services, session, job)
        return applying.apply(session, services.now(), _locked(session, job), checked)


def _record_progress(services: WorkerServices, job: Job, done: int, total: int) -> None:
    with services.database.transaction() as session:
        _keep(services, session, job)
        checking.record_progress(session, job.subject_id, done=done, total=total)


def _keep(services: WorkerServices, session: Session, job: Job) -> None:
    """Lengthen the lease. Raises Later if another worker has the job: this one stops counting."""
    if not leases.renew(session, job, services.now()):
        raise Later("another worker has taken it over", timedelta())


def _go_on(services: WorkerServices, job: Job, entries: Iterable[Any]) -> Iterable[Any]:
    """The entries; the lease is lengthened from time to time."""
    for number, entry in enumerate(entries, 1):
        yield entry
        if number % AT_ONCE == 0:
            with services.database.transaction() as session:
                _keep(services, session, job)


def _record_import(
    services: WorkerServices, job: Job, prepared: Prepared, session: Session
) -> None:
    imports.record(session, services.now(), session.get_one(RuleImport, job.subject_id), prepared)


def _record_obstacle(
    services: WorkerServices, job: Job, what: Obstacle, why: str, session: Session
) -> None:
    row = session.get_one(RuleImport, job.subject_id)
    imports.record_obstacle(services.now(), row, what, why)


def _store(services: WorkerServices, job: Job, checked: Checked, session: Session) -> None:
    change = _locked(session, job)
    if lines.find_touched(session, change):  # by what was published while it was counted
        applying.make_stale(session, services.now(), change)
    else:
        checking.store(session, services.now(), change, checked)


def _make_stale(services: WorkerServices, job: Job, session: Session) -> None:
    applying.make_stale(session, services.now(), _locked(session, job))


def _fail(
    services: WorkerServices, job: Job, what: models.Obstacle, why: str, session: Session
) -> None:
    applying.fail(session, services.now(), _locked(session, job), what, why)


def _obstacle_of(problem: Exception) -> models.Obstacle:
    if isinstance(problem, UnknownHomeserver):
        return models.Obstacle.HOMESERVER
    is_contradiction = isinstance(problem, InvalidRule)
    return models.Obstacle.RULE if is_contradiction else models.Obstacle.OTHER


def _locked(session: Session, job: Job) -> Change:
    return session.get_one(Change, job.subject_id, with_for_update=True, populate_existing=True)
