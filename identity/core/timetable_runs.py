"""When each task of the timetable last ran, and how it ended."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from . import inserting
from .database import Base


class TimetableTask(StrEnum):
    """The tasks that must run regularly, beside the lanes of the outbox."""

    CLEAN_UP = "clean_up"
    KEEP_INVITATIONS = "keep_invitations"
    EMPTY_PASSWORDS = "empty_passwords"
    LOOK_AT_HEALTH = "look_at_health"


MAX_SILENCE = {
    TimetableTask.CLEAN_UP: timedelta(hours=26),  # it runs every night
    TimetableTask.KEEP_INVITATIONS: timedelta(minutes=65),  # every half hour
    TimetableTask.LOOK_AT_HEALTH: timedelta(minutes=20),  # every five minutes
    TimetableTask.EMPTY_PASSWORDS: timedelta(minutes=1),  # every 15 seconds
}
"""How long after its last run a task is late."""
WITHOUT_MESSAGE = timedelta(minutes=5)  # before it is late, a worker runs it without a message


class TimetableRun(Base):
    """The last run of a task. Without one: since when a scheduler knows the task."""

    __tablename__ = "timetable_runs"

    task: Mapped[str] = mapped_column(primary_key=True)
    known_since: Mapped[datetime]
    began_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    error: Mapped[str] = mapped_column(server_default="")  # the class of a failure; "": none
    failures: Mapped[int] = mapped_column(server_default="0")  # in a row

    @property
    def seen_at(self) -> datetime:
        """When it last ended well or badly, or became known."""
        return self.ended_at or self.known_since


def expect(session: Session, now: datetime, tasks: Iterable[TimetableTask]) -> None:
    """From now on these tasks are to run: one that never does is late, too."""
    missing = [{"task": task, "known_since": now} for task in tasks]
    inserting.insert_missing(session, TimetableRun, missing)


def record_run(
    session: Session, task: TimetableTask, *, began_at: datetime, ended_at: datetime, error: str
) -> None:
    """Record a run that has ended. `error`: the class of its failure, empty if all went well."""
    run = {"began_at": began_at, "ended_at": ended_at, "error": error}
    failures = func.coalesce(TimetableRun.failures, 0) + 1 if error else 0
    session.execute(
        inserting.insert_statement(session, TimetableRun)
        .values(task=task, known_since=began_at, failures=int(bool(error)), **run)
        .on_conflict_do_update(index_elements=["task"], set_={**run, "failures": failures})
    )


def find_all(session: Session) -> Sequence[TimetableRun]:
    """The last run of each task, by name."""
    return session.scalars(select(TimetableRun).order_by(TimetableRun.task)).all()


def is_late(run: TimetableRun, now: datetime) -> bool:
    """Whether the task has not run for longer than its timetable allows."""
    try:
        allowed = MAX_SILENCE[TimetableTask(run.task)]
    except ValueError:  # of another version
        return False
    return now - run.seen_at > allowed


def is_missed(run: TimetableRun, now: datetime) -> bool:
    """Whether the scheduler's message should have come by now; soon the task is late."""
    return is_late(run, now + WITHOUT_MESSAGE)
