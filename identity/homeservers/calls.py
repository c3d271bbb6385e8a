"""Admits calls to homeservers: few at once, and none for a while to one that is silent.

Whoever calls a homeserver for a page, an API or a job asks here first, and is refused at once
instead of waiting. Two do not: the job that makes accounts counts its calls over all workers
(registration/jobs/accounts.py, with the same breaker), and `guichet doctor` shall see for itself.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import Any, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from identity.core.database import Database
from identity.core.http_client import Answer, Away, JsonClient

from . import breakers
from .admin_client import Refused
from .breakers import Interface

log = logging.getLogger(__name__)
T = TypeVar("T")

AT_ONCE = 2  # calls to one homeserver, and threads that wait for them, in one process
AT_ONCE_IN_ALL = 4  # of the 8 threads of a process of the public site
BUSY_SECONDS = 2  # until a place may be free
SERVER_ERROR = 500


class NotAdmitted(Away):
    """The homeserver was not called. `retry_after`: seconds until another call may be admitted."""

    def __init__(self, why: str, retry_after: int) -> None:
        super().__init__(why)
        self.retry_after = retry_after


class Busy(NotAdmitted):
    """As many calls as may be made at once are under way."""

    def __init__(self) -> None:
        super().__init__("as many calls as may be made at once are under way", BUSY_SECONDS)


@dataclass(frozen=True)
class Endpoint:
    """One interface of a homeserver: where it is called, and how its certificate is checked."""

    homeserver: str
    interface: Interface
    url: str
    ca_pem: str | None = None
    insecure: bool = False  # the certificate is not checked: for tests


class Places:
    """The places for calls of one process. Nobody waits for one."""

    def __init__(self, at_once: int = AT_ONCE, in_all: int = AT_ONCE_IN_ALL) -> None:
        self._at_once, self._in_all = at_once, in_all
        self._lock = threading.Lock()
        self._taken: Counter[str] = Counter()
        self._own = threading.local()

    @contextmanager
    def place(self, homeserver: str) -> Iterator[None]:
        """Hold a place during the `with` block; a thread that has one keeps it. Raises Busy."""
        own: set[str] = self._own.__dict__.setdefault("homeservers", set())
        if homeserver in own:
            yield
            return
        with self._lock:
            if self._taken[homeserver] >= self._at_once or self._taken.total() >= self._in_all:
                raise Busy
            self._taken[homeserver] += 1
        own.add(homeserver)
        try:
            yield
        finally:
            own.discard(homeserver)
            with self._lock:
                self._taken[homeserver] -= 1
                if not self._taken[homeserver]:
                    del self._taken[homeserver]


class HomeserverCalls:
    """The calls of one process; its breakers are in the database, for all processes together."""

    def __init__(
        self, database: Database, now: Callable[[], datetime], places: Places | None = None
    ) -> None:
        self._database, self._now = database, now
        self._places = places or Places()
        self._lock = threading.Lock()
        self._questions: dict[Hashable, Future[Any]] = {}

    @contextmanager
    def talk(
        self, endpoint: Endpoint, *, seconds: float, one_deadline: bool = True
    ) -> Iterator[JsonClient]:
        """A client for calls to this interface, `seconds` for all of them or, if not, for each.

        Raises NotAdmitted; the calls raise Away.
        """
        with (
            self._places.place(endpoint.homeserver),
            self._watched(endpoint.homeserver, endpoint.interface) as seen,
            _SeenClient(endpoint, seconds, seen, one_deadline=one_deadline) as client,
        ):
            yield client

    @contextmanager
    def admitted(self, homeserver: str, interface: Interface) -> Iterator[None]:
        """Around a call that is made with a client of its own. Raises NotAdmitted."""
        with self._places.place(homeserver), self._watched(homeserver, interface) as seen:
            try:
                yield
            except Away as away:
                seen.record(away)
                raise
            except Refused:
                seen.is_silent = False
                raise
            seen.is_silent = False

    def ask_once(
        self, homeserver: str, question: Hashable, ask: Callable[[], T], *, seconds: float
    ) -> T:
        """What `ask` returns or raises; who asks the same meanwhile gets the same answer.

        Everybody needs a place, also who only waits: taken first, so that those who wait do not
        keep the one they wait for from calling. Raises Busy, and TimeoutError after so many
        seconds.
        """
        with self._places.place(homeserver):
            own: Future[T] = Future()
            with self._lock:
                asked = self._questions.setdefault(question, own)
            if asked is not own:
                found: T = asked.result(timeout=seconds)
                return found
            try:
                answer = ask()
            except BaseException as error:
                own.set_exception(error)
                raise
            else:
                own.set_result(answer)
                return answer
            finally:
                with self._lock:
                    del self._questions[question]

    @contextmanager
    def _watched(self, homeserver: str, interface: Interface) -> Iterator["_Seen"]:
        """Check the breaker before a call, and record there how it went. Raises NotAdmitted."""
        key = breakers.key_of(homeserver, interface)
        had_failed = self._check_breaker(key)
        seen = _Seen()
        try:
            yield seen
        finally:
            if seen.is_silent or (seen.is_silent is False and had_failed):
                self._record(key, is_silent=seen.is_silent)

    def _check_breaker(self, key: str) -> bool:
        """Whether there were failures since the last answer."""
        now = self._now()
        with self._database.reading() as session:
            state = breakers.state_of(session, key)
            if state.until is None:
                return state.failures > 0
        if state.until <= now:
            with self._database.transaction() as session:
                row = breakers.lock(session, key)
                if breakers.admit_call(row, now):
                    return True
        raise NotAdmitted(
            "it was found away a moment ago",
            max(1, ceil((state.until - now).total_seconds())),
        )

    def _record(self, key: str, *, is_silent: bool) -> None:
        try:
            with self._database.transaction() as session:
                if is_silent:
                    breakers.record_failure(session, self._now(), key)
                else:
                    breakers.record_answer(session, key)
        except SQLAlchemyError as error:
            # The answer counts, or its absence; the next call is recorded again.
            log.warning("how a call went was not recorded: %s", type(error).__name__)


@dataclass
class _Seen:
    """`is_silent`: how the last call went; None before the first."""

    is_silent: bool | None = None

    def record(self, away: Away) -> None:
        """An answer that cannot be used is one, unless it says that the server fails."""
        self.is_silent = away.status is None or away.status >= SERVER_ERROR


class _SeenClient(JsonClient):
    def __init__(
        self, endpoint: Endpoint, seconds: float, seen: _Seen, *, one_deadline: bool
    ) -> None:
        super().__init__(
            endpoint.url,
            ca_pem=endpoint.ca_pem,
            insecure=endpoint.insecure,
            seconds=seconds,
            one_deadline=one_deadline,
            server_name=endpoint.homeserver,
        )
        self._seen = seen

    def call(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        body: dict[str, Any] | None = None,
    ) -> Answer:
        try:
            answer = super().call(method, path, token=token, body=body)
        except Away as away:
            self._seen.record(away)
            raise
        self._seen.is_silent = False
        return answer
