"""What is wrong with the processes, the timetable and the mails, as the database shows it.

`/readyz` gives the names, `guichet doctor` also the sentences and the remedies.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy.orm import Session

from identity.core import continuity, nodes, timetable_runs, waiting_jobs
from identity.core.database import takes_changes
from identity.core.findings import Value, sentences
from identity.core.nodes import Node, NodeFault, NodeKind
from identity.core.outbox import Job
from identity.core.timetable_runs import TimetableRun
from identity.keys.key_sets import KeySet
from identity.mail import models as mails
from identity.mail.outcomes import Outcome
from identity.routing import models as rules
from identity.routing.models import RuleRevision

KEY_SETS = ("link", "storage", "public", "homeserver")
MAX_OFFSET = timedelta(seconds=2)
RULES_SPREAD_IN = timedelta(seconds=5)  # before a heartbeat; they do within two
OLDEST = 20  # jobs that are looked at for a relay that is away
LAST_MAILS = 20
FEW_MAILS = 5  # fewer show nothing
MOST = 0.8  # the part of the last mails that must be refused
LATELY = timedelta(hours=1)
OUR_FAULT = {Outcome.BLOCKED, Outcome.REFUSED, Outcome.CONTENT}
LATE = timedelta(minutes=10)
"""The worker looks for jobs every 15 seconds: older ones wait for a relay or a homeserver."""
SHOWN = 5
HELD = {continuity.BEGUN: "held_begun", continuity.WENT_BACK: "held_went_back"}


class FaultName(StrEnum):
    """What is degraded, as `/readyz` names it."""

    DATABASE = "database"
    RULES = "rules"
    LIMITS = "limits"
    OUTBOX = "outbox"
    WORKER = "worker"
    SCHEDULER = "scheduler"
    TIMETABLE = "timetable"
    KEYS = "keys"
    CLOCK = "clock"
    VERSIONS = "versions"
    OLD_RULES = "old_rules"
    DISK = "disk"
    BROKER = "broker"
    RELAY = "relay"
    MAILS = "mails"
    HELD = "held"
    WENT_BACK = "went_back"


@dataclass(frozen=True)
class Fault:
    """Something that is wrong, in the words of `core/findings.py`.

    `is_failure`: people are turned away or wait because of it.
    """

    name: FaultName
    code: str
    values: Mapping[str, Value]
    is_failure: bool = False

    @property
    def told(self) -> str:
        """What is wrong, in English."""
        return sentences(self.code, self.values)[0]

    @property
    def fix(self) -> str:
        """What mends it, in English."""
        return sentences(self.code, self.values)[1]


def _fault(name: FaultName, code: str, /, *, is_failure: bool = False, **values: Value) -> Fault:
    return Fault(name, code, values, is_failure)


def find_faults(
    session: Session, now: datetime, waiting: Sequence[Job] | None = None
) -> Iterator[Fault]:
    """All faults that the database shows. `now`: by its clock. The cost does not grow with rows.

    `waiting`: the oldest jobs, if they were looked up before.
    """
    alive = nodes.find_alive(session, now)
    yield from _read_only(session)
    yield from _held(session)
    yield from find_faults_of_processes(alive, rules.newest_revision(session))
    yield from find_faults_of_timetable(timetable_runs.find_all(session), now)
    yield from find_faults_of_mails(session, now, waiting)


def find_waiting(session: Session, now: datetime) -> list[Job]:
    """The jobs that have waited longest, as many as are looked at."""
    return waiting_jobs.find_oldest(session, now, limit=OLDEST)


def find_faults_of_processes(alive: Sequence[Node], newest: RuleRevision | None) -> Iterator[Fault]:
    """What is missing of the live processes, and what differs. `newest`: revision of the rules."""
    yield from _missing_processes(alive)
    yield from _differences(alive)
    yield from _old_rules(newest, alive)


def _read_only(session: Session) -> Iterator[Fault]:
    if takes_changes(session):
        return
    yield _fault(FaultName.DATABASE, "database_read_only", is_failure=True)


def _held(session: Session) -> Iterator[Fault]:
    row = continuity.find(session)
    if row is None:
        yield _fault(FaultName.HELD, "database_rowless", is_failure=True)
        return
    if row.held_since is not None:
        since, code = f"{row.held_since:%Y-%m-%d %H:%M}Z", HELD.get(row.held_why, "held")
        yield _fault(FaultName.HELD, code, since=since, why=row.held_why, is_failure=True)
    if row.ahead_at is not None:
        at = f"{row.ahead_at:%H:%M}Z"
        yield _fault(FaultName.WENT_BACK, "went_back", name=row.ahead, at=at, is_failure=True)


def _missing_processes(alive: Sequence[Node]) -> Iterator[Fault]:
    kinds = {each.kind for each in alive}
    if NodeKind.WORKER not in kinds:
        yield _fault(FaultName.WORKER, "worker_missing", is_failure=True)
    if NodeKind.SCHEDULER not in kinds:
        yield _fault(FaultName.SCHEDULER, "scheduler_missing")


def _differences(alive: Sequence[Node]) -> Iterator[Fault]:
    for name in KEY_SETS:
        found = {tuple(each.keys[name]) for each in alive if name in each.keys}
        if len(found) > 1 and keys_agree(name, found):
            yield _fault(FaultName.KEYS, "keys_renewed", name=name)
        elif len(found) > 1:
            yield _fault(FaultName.KEYS, "keys_differ", name=name, is_failure=True)
    versions = sorted({each.version or "0.1.0" for each in alive})
    if len(versions) > 1:
        yield _fault(FaultName.VERSIONS, "versions_differ", versions=", ".join(versions))
    skewed = sorted({each.host for each in alive if abs(each.offset) > MAX_OFFSET})
    if skewed:
        most = max((each.offset for each in alive), key=abs).total_seconds()
        hosts, seconds = _some(skewed), f"{most:+.1f}"
        yield _fault(FaultName.CLOCK, "clocks_differ", hosts=hosts, seconds=seconds)
    yield from _told_by_processes(alive)


def _told_by_processes(alive: Sequence[Node]) -> Iterator[Fault]:
    if full := _where(alive, NodeFault.DATA_FOLDER):
        yield _fault(FaultName.DISK, "folder_full", hosts=_some(full), is_failure=True)
    if deaf := _where(alive, NodeFault.BROKER):
        yield _fault(FaultName.BROKER, "broker_deaf", hosts=_some(deaf))


def _where(alive: Sequence[Node], fault: NodeFault) -> list[str]:
    return sorted({each.host for each in alive if fault in each.faults.split(",")})


def keys_agree(name: str, lists: Collection[tuple[str, ...]]) -> bool:
    """Whether every process knows the keys that the others use, the last of each list.

    Of the worker's key pair, all must have the same.
    """
    used = {keys[-1] for keys in lists if keys}
    return len(lists) <= 1 or (name in set(KeySet) and all(used <= set(keys) for keys in lists))


def _old_rules(newest: RuleRevision | None, alive: Sequence[Node]) -> Iterator[Fault]:
    if newest is None:
        return
    late = {
        each.host
        for each in alive
        if each.rules_revision is not None
        and each.rules_revision < newest.number
        and each.seen_at > newest.published_at + RULES_SPREAD_IN
    }
    if late:
        hosts = _some(sorted(late))
        yield _fault(FaultName.OLD_RULES, "rules_old", hosts=hosts, number=newest.number)


def find_faults_of_timetable(runs: Sequence[TimetableRun], now: datetime) -> Iterator[Fault]:
    """The tasks that are late, or failed last time."""
    for run in runs:
        if timetable_runs.is_late(run, now):
            at = f"{run.seen_at:%Y-%m-%d %H:%M}Z"
            yield _fault(FaultName.TIMETABLE, "task_late", task=run.task, at=at)
        elif run.error:
            yield _fault(
                FaultName.TIMETABLE,
                "task_failed",
                task=run.task,
                n=run.failures,
                error=run.error,
            )


def find_faults_of_mails(
    session: Session, now: datetime, waiting: Sequence[Job] | None = None
) -> Iterator[Fault]:
    """Jobs that wait for too long, a relay that is away, and mails that are all refused."""
    yield from _jobs(find_waiting(session, now) if waiting is None else waiting, now)
    yield from _mails(session, now)


def _jobs(oldest: Sequence[Job], now: datetime) -> Iterator[Fault]:
    if oldest and now - oldest[0].created_at > LATE:
        at = f"{oldest[0].created_at:%Y-%m-%d %H:%M}Z"
        yield _fault(FaultName.OUTBOX, "job_waits", at=at)
    away = [each for each in oldest if (each.last_error or "").startswith(Outcome.RELAY_DOWN)]
    if away:
        error = str(away[0].last_error)
        yield _fault(FaultName.RELAY, "relay_away", error=error, is_failure=True)


def _mails(session: Session, now: datetime) -> Iterator[Fault]:
    last = mails.last_outcomes(session, now - LATELY, limit=LAST_MAILS)
    refused = [outcome for outcome in last if outcome in OUR_FAULT]
    if len(last) >= FEW_MAILS and len(refused) >= MOST * len(last):
        most = max(set(refused), key=refused.count)
        count, among = len(refused), len(last)
        yield _fault(
            FaultName.MAILS, "mails_refused", n=count, all=among, outcome=most, is_failure=True
        )


def _some(hosts: Sequence[str]) -> str:
    more = f" and {len(hosts) - SHOWN} more" if len(hosts) > SHOWN else ""
    return ", ".join(host or "an unnamed machine" for host in hosts[:SHOWN]) + more
