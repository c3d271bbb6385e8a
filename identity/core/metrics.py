"""Everything this service counts and measures in its processes, and how it is recorded.

A family is one metric with its labels. Families are declared here and nowhere else, so that one
table says what exists; the edges of the stories record them. Labels hold names of ours, of routes,
of limits and of registered homeservers: never an address, a user ID or a room.

Values stay in the memory of the process until `metric_files.join` gives it a place in a folder that
several processes share. What is read from the database is in `health/measured.py`.
"""

import logging
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any, Final, Literal

from prometheus_client import Counter, Gauge, Histogram, Metric, disable_created_metrics, values

log = logging.getLogger(__name__)

Kind = Literal["counter", "histogram", "gauge"]
NAMESPACE: Final = "guichet_"
QUICK = (0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)  # seconds: answers and calls
PATIENT = (0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 300, 1800)  # seconds: what people wait for in a mail

disable_created_metrics()  # they double the size of a scrape, and Prometheus does not need them
# Commands, too, import this, perhaps with PROMETHEUS_MULTIPROC_DIR set: only servers write files.
values.ValueClass = values.MutexValue


class Family:
    """One metric with its labels. Recording never fails: a metric must not stop what it counts."""

    def __init__(
        self,
        kind: Kind,
        name: str,
        meaning: str,
        labels: tuple[str, ...] = (),
        buckets: tuple[float, ...] = QUICK,
    ) -> None:
        self.kind, self.name, self.meaning = kind, NAMESPACE + name, meaning
        self.labels, self._buckets = labels, buckets
        self._made: Any = None
        self._children: dict[tuple[str, ...], Any] = {}

    def inc(self, amount: float = 1, /, **labels: str) -> None:
        """Add to a counter."""
        try:
            self._child(labels).inc(amount)
        except OSError as error:
            keep_in_memory(error)

    def observe(self, seconds: float, /, **labels: str) -> None:
        """Add one observation to a histogram."""
        try:
            self._child(labels).observe(seconds)
        except OSError as error:
            keep_in_memory(error)

    def set(self, value: float, /, **labels: str) -> None:
        """Set a gauge of this process; of all live processes the lowest is shown."""
        try:
            self._child(labels).set(value)
        except OSError as error:
            keep_in_memory(error)

    def collect(self) -> Iterable[Metric]:
        """What this process has recorded, if it keeps its values in memory."""
        return self._metric().collect() if self._made is not None else ()

    def forget(self) -> None:
        """Begin anew, with the values where they are kept from now on."""
        self._made, self._children = None, {}

    def _child(self, labels: dict[str, str]) -> Any:
        if not labels:
            return self._metric()
        # The library sorts, checks and converts the labels each time; here it is asked once.
        children, key = self._children, (*labels, *labels.values())
        child = children.get(key)
        if child is None:
            child = children[key] = self._metric().labels(**labels)
        return child

    def _metric(self) -> Any:
        if self._made is None:
            with _making:
                if self._made is None:
                    self._made = self._make()
        return self._made

    def _make(self) -> Any:
        if self.kind == "counter":
            return Counter(self.name, self.meaning, self.labels, registry=None)
        if self.kind == "gauge":
            return Gauge(
                self.name, self.meaning, self.labels, registry=None, multiprocess_mode="livemin"
            )
        return Histogram(self.name, self.meaning, self.labels, registry=None, buckets=self._buckets)


_making = threading.Lock()

HTTP_REQUESTS = Family(
    "counter",
    "http_requests_total",
    "Requests answered. The route is the URL rule, never the path.",
    ("listener", "route", "method", "status"),
)
HTTP_SECONDS = Family(
    "histogram",
    "http_request_duration_seconds",
    "Time from the request to its answer.",
    ("listener", "route"),
)
HTTP_UNSERVED = Family(
    "counter",
    "http_unserved_total",
    "Answers without the application: a body too slow (408), no free thread or memory (503).",
    ("status",),
)
JOBS = Family(
    "counter",
    "jobs_total",
    "Tries at jobs of the outbox, by how they ended: done, postponed, held, given_up, failed.",
    ("lane", "kind", "outcome"),
)
JOBS_REPEATED = Family(
    "counter",
    "jobs_repeated_total",
    "Tries at jobs of which an earlier try has no known end: what it did may be done twice.",
    ("lane", "kind"),
)
JOB_SECONDS = Family(
    "histogram", "job_duration_seconds", "Time of one try at a job.", ("lane", "kind")
)
MAILS = Family(
    "counter",
    "mails_total",
    "Tries at mails: handed to the relay, or why not. The provider is a class of receivers.",
    ("template", "outcome", "provider"),
)
CODE_SECONDS = Family(
    "histogram",
    "code_to_relay_seconds",
    "From the moment a mail with a code was to leave until the relay took it.",
    ("template",),
    PATIENT,
)
HOMESERVER_CALLS = Family(
    "counter",
    "homeserver_calls_total",
    "Calls to registered homeservers: ok, refused (4xx, unless it is about what was asked for),"
    " limited (429) or away.",
    ("homeserver", "result"),
)
HOMESERVER_SECONDS = Family(
    "histogram",
    "homeserver_call_duration_seconds",
    "Time of one call to a registered homeserver.",
    ("homeserver",),
)
LIMITS = Family("counter", "limits_hit_total", "Refusals by a limit.", ("limit",))
LIMITS_STORE = Family(
    "gauge", "limits_store_up", "1 if Redis counts limits for all nodes, 0 if it is away."
)
SIGN_UPS = Family(
    "counter",
    "sign_ups_total",
    "Steps of sign-ups: started, verified, requested, made, and the ends without an account.",
    ("step",),
)
INVITATION_CHANGES = Family(
    "counter", "invitation_changes_total", "Invitations that reached a state.", ("state",)
)
DATABASE_FAULTS = Family(
    "counter",
    "database_faults_total",
    "Statements and connections that failed, by SQLSTATE (none if the server said nothing).",
    ("sqlstate",),
)
CODES_TRIED = Family(
    "counter",
    "codes_tried_total",
    "One-time codes that people typed, by result: right, wrong, off (over a limit), over.",
    ("purpose", "result"),
)

FAMILIES: Final = tuple(each for each in list(globals().values()) if isinstance(each, Family))


@contextmanager
def timed(family: Family, **labels: str) -> Iterator[None]:
    """Observe how long the block takes, also if it raises."""
    began = perf_counter()
    try:
        yield
    finally:
        family.observe(perf_counter() - began, **labels)


def collect() -> Iterator[Metric]:
    """What this process has recorded in memory."""
    for family in FAMILIES:
        yield from family.collect()


def keep_values_in(value_class: Any) -> None:
    """Keep the values of all families in this class of prometheus_client from now on."""
    values.ValueClass = value_class
    for family in FAMILIES:
        family.forget()


def keep_in_memory(error: OSError) -> None:
    """The shared files cannot be written any more: this process counts by itself."""
    if values.ValueClass is not values.MutexValue:
        log.warning("metrics: the shared files cannot be written: %s", error.strerror)
        keep_values_in(values.MutexValue)
