"""A thread by which a process reports every ten seconds that it is running, and what it has."""

import atexit
import logging
import os
import secrets
import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cache
from threading import Event, RLock, Thread

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from identity.core import continuity, key_uses, nodes
from identity.core.code_version import code_version
from identity.core.nodes import NodeFault, NodeKind, NodeReport
from identity.core.redis_probe import NoRedis, check_redis, is_redis
from identity.keys import process_keys
from identity.keys.fingerprints import fingerprints_of
from identity.keys.key_sets import KeySet
from identity.migrations import newest_revision
from identity.services import Services, WorkerServices

log = logging.getLogger(__name__)

BROKER_TIME = 1.0  # seconds that a heartbeat waits for the broker
BEFORE_FORK = 5.0  # seconds that a fork waits for the report that is under way
LAST_WORD = 3.0  # seconds that the end of a process may wait for its row to be deleted


class Heartbeat:
    """Reports one process until it ends. A fork of the process reports itself anew."""

    def __init__(
        self,
        services: Services,
        kind: NodeKind,
        *,
        lanes: Sequence[str] = (),
        is_well: Callable[[], bool] = lambda: True,
    ) -> None:
        """`is_well`: nothing is reported while it is false, as for a scheduler that stands still."""
        self._services, self._kind, self._lanes, self._is_well = services, kind, lanes, is_well
        halves = services.private_halves if isinstance(services, WorkerServices) else None
        self._key_ids = [public.key_id for public in halves.publics] if halves else []
        link, storage = process_keys.shared_keys(services.settings)
        self._keys = fingerprints_of(link, storage, services.public_half, halves)
        self._renewed_keys = {str(each): self._keys[each] for each in KeySet}
        self._is_away = self._is_forgetful = False
        self._stopping, self._beating = Event(), RLock()
        self._thread: Thread | None = None

    def start(self, *, survives_fork: bool = False) -> None:
        """Begin. `survives_fork`: the children of this process report themselves as well.

        A fork waits until no report is under way: the child would never see the end of what the
        thread holds then, as the lock of a file, of the rules or of SQLite.
        """
        self._begin()
        atexit.register(self.stop)
        os.register_at_fork(
            before=self._hold,
            after_in_parent=self._let_go,
            after_in_child=self._begin_in_child if survives_fork else self._forget_parent,
        )

    def stop(self) -> None:
        """Delete this process from the list, and end the thread; nothing before the start."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(LAST_WORD)

    def beat(self) -> None:
        """Report once. If the database is away, that is logged once."""
        with self._beating:
            self._beat()

    def _beat(self) -> None:
        try:
            self._write()
        except SQLAlchemyError as error:
            if not self._is_away:
                log.warning("no heartbeat: the database is away: %s", type(error).__name__)
            self._is_away = True
            self._services.database.takes_changes = False
        else:
            self._is_away = False
            self._services.database.takes_changes = True
        finally:
            if isinstance(self._services, WorkerServices):
                # No connection may be open when the pool forks this process.
                self._services.database.engine.dispose()

    def _begin(self) -> None:
        self._node_id = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._started_at = self._services.machine_now()
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="heartbeat", daemon=True)
        self._thread.start()

    def _hold(self) -> None:
        self._beating.acquire(timeout=BEFORE_FORK)

    def _let_go(self) -> None:
        with suppress(RuntimeError):  # it waited in vain
            self._beating.release()

    def _forget_parent(self) -> None:
        self._beating = RLock()

    def _begin_in_child(self) -> None:
        self._forget_parent()
        if self._stopping.is_set():
            return
        # Connections of the parent are the parent's; ours must not close them.
        self._services.database.engine.dispose(close=False)
        self._begin()

    def _run(self) -> None:
        while not self._stopping.is_set():
            if self._is_well():
                self.beat()
            self._stopping.wait(nodes.EVERY.total_seconds())
        try:
            with self._beating, self._services.database.transaction() as session:
                nodes.remove_node(session, self._node_id)
        except SQLAlchemyError as error:
            log.warning("the end is not recorded: the database is away: %s", type(error).__name__)

    def _write(self) -> None:
        services = self._services
        with services.database.reading() as session:
            offset = measure_offset(services, session)
        services.clock_offset.correct(offset)
        if self._kind in {NodeKind.WEB, NodeKind.INTERNAL}:
            services.rules.current()  # of which the first request then need not wait
            services.mark_of("")  # likewise, for the log
        report = NodeReport(
            self._node_id,
            kind=self._kind,
            host=socket.gethostname(),
            started_at=self._started_at - offset,
            version=code_version(),
            schema=_schema(),
            rules_revision=services.rules.revision,
            keys=self._keys,
            key_ids=self._key_ids,
            offset=offset,
            lanes=self._lanes,
            faults=list(self._look_for_faults()),
        )
        with services.database.transaction() as session:
            nodes.record_heartbeat(session, services.database_now(), report)
            key_uses.record(session, services.database_now(), keys=self._renewed_keys)
        if self._kind is NodeKind.WORKER:
            self._move_on()
        else:
            self._check_continuity()

    def _check_continuity(self) -> None:
        """Hold all jobs if the database is older than what this process has seen."""
        services = self._services
        with services.database.transaction() as session:
            continuity.check(session, services.database_now(), services.last_seen)

    def _move_on(self) -> None:
        """The same, and move the position of the database on, which this machine then knows."""
        services = self._services
        with services.database.transaction() as session:
            if not continuity.check(session, services.database_now(), services.last_seen):
                return
            row = continuity.find(session)
            position = continuity.tick(session)
        if row is None or position is None:
            return
        services.last_seen.remember(row.name, position)
        try:
            services.last_seen.store()
        except OSError as error:
            if not self._is_forgetful:
                log.warning(
                    "%s: the position of the database is not kept: %s",
                    services.settings.data_dir,
                    error,
                )
            self._is_forgetful = True
        else:
            self._is_forgetful = False

    def _look_for_faults(self) -> Iterator[NodeFault]:
        """What is wrong with this machine, and with the broker as it is seen from here."""
        settings = self._services.settings
        # A worker keeps the position of the database there.
        if settings.stores_files or self._kind is NodeKind.WORKER:
            try:
                with tempfile.TemporaryFile(dir=settings.data_dir) as probe:
                    probe.write(b"\0")
            except OSError:
                yield NodeFault.DATA_FOLDER
        broker = settings.broker_url.get_secret_value() if settings.broker_url else ""
        if is_redis(broker):
            try:
                check_redis(broker, BROKER_TIME)
            except NoRedis:
                yield NodeFault.BROKER


def measure_offset(services: Services, session: Session) -> timedelta:
    """How far the clock of this process is ahead of the database's.

    Half of the time that the question takes is taken off: more cannot be known from here.
    """
    asked_at: datetime = services.machine_now()
    read = nodes.read_database_clock(session)
    answered_at = services.machine_now()
    return timedelta() if read is None else asked_at + (answered_at - asked_at) / 2 - read


@cache
def _schema() -> str:
    return newest_revision() or ""
