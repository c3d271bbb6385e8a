"""What /metrics reads from the database: a few statements, whose cost does not grow with the rows.

Depths are counted up to `MOST` and no further, by indexes that hold nothing else. One thread reads
at a time, and the scrape waits for it only so long: with a database that is away or stands still,
/metrics still answers, and says `guichet_database_up 0`.
"""

import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Event, Lock, Thread
from typing import Final

from prometheus_client.core import GaugeMetricFamily
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from identity.core import continuity, measuring, nodes, timetable_runs, waiting_jobs
from identity.core.continuity import Installation
from identity.core.metrics import NAMESPACE
from identity.core.nodes import GONE_AFTER, Node, NodeKind
from identity.freezes import models as freezes
from identity.freezes.models import Frozen
from identity.homeservers import breakers, standing
from identity.invitations import measuring as invitations
from identity.routing import models as rules
from identity.services import Services

from . import faults
from .faults import KEY_SETS, FaultName

log = logging.getLogger(__name__)

MOST = measuring.MOST
DEADLINE = 3.0  # seconds that a scrape waits for the database; Prometheus waits ten


@dataclass(frozen=True)
class Gauge:
    """A metric read at each scrape."""

    name: str
    meaning: str
    labels: tuple[str, ...] = ()


DATABASE_UP = Gauge("database_up", "1 if the database answered this scrape, else 0.")
OUTBOX_JOBS = Gauge(
    "outbox_jobs",
    f"Jobs that wait or are leased, those for later included; {MOST} means as many or more.",
    ("lane", "kind"),
)
OUTBOX_OVERDUE = Gauge(
    "outbox_oldest_overdue_seconds",
    "For how long the job that is due longest has waited for a worker; 0 if none is overdue.",
    ("lane", "kind"),
)
INVITATIONS = Gauge(
    "invitations",
    f"Live invitations by state; {MOST} means as many or more.",
    ("state",),
)
DELIVERIES = Gauge(
    "deliveries",
    f"Invitations to be delivered, or dead; {MOST} means as many or more.",
    ("state",),
)
HELD = Gauge(
    "invitations_held",
    "Invitations whose mail has waited ten minutes or more for the room to be confirmed.",
)
BREAKER = Gauge(
    "homeserver_breaker_open",
    "1 from several failures in a row until an answer; meanwhile few calls are tried.",
    ("homeserver", "interface"),
)
HOMESERVER_STOPPED = Gauge(
    "homeserver_stopped",
    "1 for a homeserver to which nothing is sent: operators have it held or suspended.",
    ("homeserver", "how"),
)
RULES = Gauge("rules_revision", "The newest revision of the rules in the database.")
NODES = Gauge("nodes", "Processes seen within the last 30 seconds, by kind.", ("kind",))
NODE_AGE = Gauge(
    "node_heartbeat_age_seconds",
    "Time since a process of this kind on this machine was last seen, for a day.",
    ("kind", "host"),
)
NODE_CLOCK = Gauge(
    "node_clock_offset_seconds",
    "How far the clock of this machine is ahead of the database's, by its live processes.",
    ("host",),
)
NODE_RULES = Gauge(
    "node_rules_revision",
    "The oldest revision by which a live process of this machine decides.",
    ("host",),
)
KEYS_AGREE = Gauge(
    "node_keys_agree",
    "1 if every live process knows the keys that the others use, else links and codes fail.",
    ("keys",),
)
KEYS_EQUAL = Gauge(
    "node_keys_equal", "1 if all live processes that have these keys have the same ones.", ("keys",)
)
FAULT = Gauge(
    "fault",
    "1 for what /readyz names as wrong with processes, timetable, jobs and mails, else 0.",
    ("name",),
)
TASK_ENDED = Gauge(
    "timetable_last_run_timestamp_seconds",
    "When a task of the timetable last ended, or became known (Unix time).",
    ("task",),
)
TASK_FAILURES = Gauge(
    "timetable_failures", "How many times in a row a task of the timetable has failed.", ("task",)
)
RESTORE_HELD = Gauge(
    "restore_held",
    "1 while no job is carried out since a backup was loaded: it was noticed (went_back), restore"
    " begin was run (begun), or it is being loaded (missing).",
    ("why",),
)
MODULE_AHEAD = Gauge(
    "restore_module_ahead",
    "1 for a homeserver whose module knew more than the database, until that was looked at.",
    ("homeserver",),
)
FREEZES = Gauge("freezes", "Freezes in force: of domains as many as are frozen.", ("what",))

GAUGES: Final = tuple(each for each in list(globals().values()) if isinstance(each, Gauge))
# The others of /readyz have metrics of their own.
FAULTS = (
    *(FaultName.WORKER, FaultName.SCHEDULER, FaultName.TIMETABLE, FaultName.KEYS),
    *(FaultName.CLOCK, FaultName.VERSIONS, FaultName.OLD_RULES, FaultName.DISK),
    *(FaultName.OUTBOX, FaultName.BROKER, FaultName.RELAY, FaultName.MAILS),
)
WHY_HELD = {
    continuity.WENT_BACK: "went_back",
    continuity.BEGUN: "begun",
    continuity.MISSING: "missing",
}
OTHER_WHY = "other"  # of another version
Sample = tuple[Gauge, tuple[str, ...], float]


def read(session: Session, now: datetime, database_now: datetime) -> Iterator[Sample]:
    """All gauges but DATABASE_UP. `database_now`: by the clock that processes are compared by."""
    measuring.read_by_index(session)
    for depth in waiting_jobs.measure(session, now):
        labels = (depth.lane, depth.kind)
        yield OUTBOX_JOBS, labels, depth.jobs
        yield OUTBOX_OVERDUE, labels, depth.overdue_seconds
    waiting = invitations.measure(session, now)
    yield from _labelled(INVITATIONS, waiting.live)
    yield from _labelled(DELIVERIES, waiting.undelivered)
    yield HELD, (), waiting.held
    for key, is_open in breakers.find_all(session).items():
        yield BREAKER, key, is_open
    for name, how in standing.find_stopped(session, now):
        yield HOMESERVER_STOPPED, (name, how), 1
    yield from _restore(continuity.find(session))
    frozen = [each.what for each in freezes.find_in_force(session, now).each]
    yield from ((FREEZES, (what.value,), frozen.count(what)) for what in Frozen)
    newest = rules.newest_revision(session)
    yield RULES, (), newest.number if newest else 0
    seen = nodes.find_all(session)
    alive = [node for node in seen if node.seen_at > database_now - GONE_AFTER]
    yield from _nodes(seen, alive, database_now)
    runs = timetable_runs.find_all(session)
    for run in runs:
        yield TASK_ENDED, (run.task,), run.seen_at.timestamp()
        yield TASK_FAILURES, (run.task,), run.failures
    found = {
        *(fault.name for fault in faults.find_faults_of_processes(alive, newest)),
        *(fault.name for fault in faults.find_faults_of_timetable(runs, database_now)),
        *(fault.name for fault in faults.find_faults_of_mails(session, database_now)),
    }
    yield from ((FAULT, (name.value,), name in found) for name in FAULTS)


def _restore(row: Installation | None) -> Iterator[Sample]:
    why = None
    if row is None:
        why = WHY_HELD[continuity.MISSING]
    elif row.held_since is not None:
        why = WHY_HELD.get(row.held_why, OTHER_WHY)
    for label in (*WHY_HELD.values(), OTHER_WHY):
        yield RESTORE_HELD, (label,), label == why
    if row is not None and row.ahead_at is not None:
        yield MODULE_AHEAD, (row.ahead,), 1


def _nodes(seen: Sequence[Node], alive: Sequence[Node], now: datetime) -> Iterator[Sample]:
    for kind in NodeKind:
        yield NODES, (kind.value,), sum(node.kind == kind for node in alive)
    for kind_and_host in sorted({(node.kind, node.host) for node in seen}):
        last = max(node.seen_at for node in seen if (node.kind, node.host) == kind_and_host)
        yield NODE_AGE, kind_and_host, max((now - last).total_seconds(), 0.0)
    for host in sorted({node.host for node in alive}):
        here = [node for node in alive if node.host == host]
        yield NODE_CLOCK, (host,), max((node.offset for node in here), key=abs).total_seconds()
        revisions = [node.rules_revision for node in here if node.rules_revision is not None]
        if revisions:
            yield NODE_RULES, (host,), min(revisions)
    for name in KEY_SETS:
        sets = {tuple(node.keys[name]) for node in alive if name in node.keys}
        yield KEYS_EQUAL, (name,), len(sets) <= 1
        yield KEYS_AGREE, (name,), faults.keys_agree(name, sets)


def _labelled(gauge: Gauge, counts: Mapping[str, int]) -> Iterator[Sample]:
    for label, count in counts.items():
        yield gauge, (label,), count


class DatabaseMetrics:
    """Reads the gauges in a thread of its own, one scrape at a time."""

    def __init__(self, services: Services, *, deadline: float = DEADLINE) -> None:
        self._services, self._deadline = services, deadline
        self._reading = Lock()

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """The gauges now; only DATABASE_UP if the database does not answer in time."""
        samples = self._samples()
        yield from _families([(DATABASE_UP, (), samples is not None), *(samples or ())])

    def _samples(self) -> list[Sample] | None:
        until = time.monotonic() + self._deadline
        # Two may scrape at once: the second waits for the first, whose thread may wait for ever.
        if not self._reading.acquire(timeout=self._deadline):
            return None
        found: list[list[Sample]] = []
        done = Event()
        Thread(target=self._run, args=(found, done), name="metrics", daemon=True).start()
        if not done.wait(max(until - time.monotonic(), 0.0)):
            log.warning("metrics: the database does not answer within %.0f s", self._deadline)
        return found[0] if found else None

    def _run(self, found: list[list[Sample]], done: Event) -> None:
        try:
            now, database_now = self._services.now(), self._services.database_now()
            with self._services.database.reading() as session:
                found.append(list(read(session, now, database_now)))
        except SQLAlchemyError as error:
            log.warning("metrics: the database is away: %s", type(error).__name__)
        finally:
            self._reading.release()
            done.set()


def _families(samples: Iterable[Sample]) -> Iterator[GaugeMetricFamily]:
    made: dict[Gauge, GaugeMetricFamily] = {}
    for gauge, labels, value in samples:
        if gauge not in made:
            made[gauge] = GaugeMetricFamily(
                NAMESPACE + gauge.name, gauge.meaning, labels=gauge.labels
            )
        made[gauge].add_metric(labels, float(value))
    yield from made.values()
