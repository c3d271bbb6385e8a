"""What is wrong with the processes, the timetable and the mails, as the database shows it.

`/readyz` gives the names, `guichet doctor` also the sentences and the remedies.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy.orm import Session

from identity.core import continuity, nodes, outbox, timetable_runs
from identity.core.database import takes_changes
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
    """Something that is wrong: what it is, in a sentence, and what mends it.

    `is_failure`: people are turned away or wait because of it.
    """

    name: FaultName
    told: str
    fix: str
    is_failure: bool = False


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
    return outbox.find_oldest(session, now, limit=OLDEST)


def find_faults_of_processes(alive: Sequence[Node], newest: RuleRevision | None) -> Iterator[Fault]:
    """What is missing of the live processes, and what differs. `newest`: revision of the rules."""
    yield from _missing_processes(alive)
    yield from _differences(alive)
    yield from _old_rules(newest, alive)


def _read_only(session: Session) -> Iterator[Fault]:
    if takes_changes(session):
        return
    told = "the database can be read, but takes no changes: it is a replica, or read-only"
    fix = (
        "let GUICHET_DATABASE_URL lead to the primary; if it does, look why "
        "default_transaction_read_only is on"
    )
    yield Fault(FaultName.DATABASE, told, fix, is_failure=True)


def _held(session: Session) -> Iterator[Fault]:
    row = continuity.find(session)
    fix = "guichet restore begin, plan, resume (docs/operations.md, Backup and restore)"
    if row is None:
        yield Fault(FaultName.HELD, continuity.MISSING, "else: guichet db upgrade", is_failure=True)
        return
    if row.held_since is not None:
        told = f"no job is carried out since {row.held_since:%Y-%m-%d %H:%M}Z: {row.held_why}"
        yield Fault(FaultName.HELD, told, fix, is_failure=True)
    if row.ahead_at is not None:
        told = f"the module in {row.ahead} knew more than the database at {row.ahead_at:%H:%M}Z"
        fix = f"if a backup was loaded: {fix}; if not: guichet restore dismiss"
        yield Fault(FaultName.WENT_BACK, told, fix, is_failure=True)


def _missing_processes(alive: Sequence[Node]) -> Iterator[Fault]:
    kinds = {each.kind for each in alive}
    if NodeKind.WORKER not in kinds:
        told = "no worker was seen for 30 seconds: no mail leaves, and no account is made"
        fix = "start celery -A workers worker; its log says why it ended"
        yield Fault(FaultName.WORKER, told, fix, is_failure=True)
    if NodeKind.SCHEDULER not in kinds:
        told = (
            "no scheduler was seen for 30 seconds: workers run the tasks of the timetable, but late"
        )
        fix = "start celery -A workers beat; its log says why it ended"
        yield Fault(FaultName.SCHEDULER, told, fix)


def _differences(alive: Sequence[Node]) -> Iterator[Fault]:
    for name in KEY_SETS:
        found = {tuple(each.keys[name]) for each in alive if name in each.keys}
        if len(found) > 1 and keys_agree(name, found):
            told = f"the {name} keys are being renewed: not all processes have the same list yet"
            fix = "guichet keys status shows which; give them the same file, and restart them"
            yield Fault(FaultName.KEYS, told, fix)
        elif len(found) > 1:
            told = f"the {name} keys of the processes differ: guichet node list --keys shows them"
            fix = "give all machines the same keys in the same order, and restart what has others"
            yield Fault(FaultName.KEYS, told, fix, is_failure=True)
    versions = sorted({each.version or "0.1.0" for each in alive})
    if len(versions) > 1:
        told = f"processes of several versions are running: {', '.join(versions)}"
        yield Fault(FaultName.VERSIONS, told, "upgrade the rest; guichet node list shows where")
    skewed = sorted({each.host for each in alive if abs(each.offset) > MAX_OFFSET})
    if skewed:
        most = max((each.offset for each in alive), key=abs).total_seconds()
        told = f"the clock of {_some(skewed)} differs from the database's by up to {most:+.1f} s"
        yield Fault(FaultName.CLOCK, told, "let both machines keep time by NTP (timedatectl)")
    yield from _told_by_processes(alive)


def _told_by_processes(alive: Sequence[Node]) -> Iterator[Fault]:
    if full := _where(alive, NodeFault.DATA_FOLDER):
        told = f"GUICHET_DATA_DIR cannot be written on {_some(full)}"
        fix = "look whether its disk is full, and who owns the folder"
        yield Fault(FaultName.DISK, told, fix, is_failure=True)
    if deaf := _where(alive, NodeFault.BROKER):
        told = f"the broker takes nothing from {_some(deaf)}: jobs begin up to 15 seconds later"
        fix = (
            "check GUICHET_BROKER_URL and the server: its memory, its password, who is the primary"
        )
        yield Fault(FaultName.BROKER, told, fix)


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
        told = f"a process on {_some(sorted(late))} decides by rules older than {newest.number}"
        yield Fault(FaultName.OLD_RULES, told, "restart it; guichet node list shows which")


def find_faults_of_timetable(runs: Sequence[TimetableRun], now: datetime) -> Iterator[Fault]:
    """The tasks that are late, or failed last time."""
    for run in runs:
        if timetable_runs.is_late(run, now):
            told = f"{run.task} has not run since {run.seen_at:%Y-%m-%d %H:%M}Z"
            fix = "is the scheduler running, and a worker? the worker's log names the task"
            yield Fault(FaultName.TIMETABLE, told, fix)
        elif run.error:
            told = f"{run.task} failed {run.failures} times in a row: {run.error}"
            yield Fault(FaultName.TIMETABLE, told, "the worker's log has the failure")


def find_faults_of_mails(
    session: Session, now: datetime, waiting: Sequence[Job] | None = None
) -> Iterator[Fault]:
    """Jobs that wait for too long, a relay that is away, and mails that are all refused."""
    yield from _jobs(find_waiting(session, now) if waiting is None else waiting, now)
    yield from _mails(session, now)


def _jobs(oldest: Sequence[Job], now: datetime) -> Iterator[Fault]:
    if oldest and now - oldest[0].created_at > LATE:
        told = f"a job has been waiting since {oldest[0].created_at:%Y-%m-%d %H:%M}Z"
        yield Fault(FaultName.OUTBOX, told, "guichet mail list; is a worker running?")
    away = [each for each in oldest if (each.last_error or "").startswith(Outcome.RELAY_DOWN)]
    if away:
        told = f"the relay took no mail: {away[0].last_error}"
        fix = "check the relay and GUICHET_SMTP_URL; mails wait and leave when it is back"
        yield Fault(FaultName.RELAY, told, fix, is_failure=True)


def _mails(session: Session, now: datetime) -> Iterator[Fault]:
    last = mails.last_outcomes(session, now - LATELY, limit=LAST_MAILS)
    refused = [outcome for outcome in last if outcome in OUR_FAULT]
    if len(last) >= FEW_MAILS and len(refused) >= MOST * len(last):
        most = max(set(refused), key=refused.count)
        told = f"{len(refused)} of the last {len(last)} mails were refused, most as {most}"
        fix = "guichet mail list --state refused shows the replies; are SPF, DKIM and the sender right?"
        yield Fault(FaultName.MAILS, told, fix, is_failure=True)


def _some(hosts: Sequence[str]) -> str:
    more = f" and {len(hosts) - SHOWN} more" if len(hosts) > SHOWN else ""
    return ", ".join(host or "an unnamed machine" for host in hosts[:SHOWN]) + more
