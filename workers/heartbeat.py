"""The worker records every ten seconds that it is alive, and which private keys it has."""

import logging
import os
import secrets
import socket
from threading import Event, Thread

from sqlalchemy.exc import SQLAlchemyError

from identity.core import worker_heartbeats
from identity.services import WorkerServices

log = logging.getLogger(__name__)


class Heartbeat:
    """A thread of the worker's main process, beside the pool that carries out jobs."""

    def __init__(self, services: WorkerServices) -> None:
        self._services, self._stopping = services, Event()
        self._worker = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._thread = Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Record that this worker is gone, and end the thread."""
        self._stopping.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._write(is_alive=True)
            self._stopping.wait(worker_heartbeats.EVERY.total_seconds())
        self._write(is_alive=False)

    def _write(self, *, is_alive: bool) -> None:
        key_ids = [public.key_id for public in self._services.private_halves.publics]
        try:
            with self._services.database.transaction() as session:
                if is_alive:
                    worker_heartbeats.record_heartbeat(
                        session, self._services.now(), worker=self._worker, key_ids=key_ids
                    )
                else:
                    worker_heartbeats.remove_worker(session, self._worker)
        except SQLAlchemyError as error:
            log.warning("no heartbeat: the database is away: %s", type(error).__name__)
        finally:
            # No connection may be open when the pool forks this process.
            self._services.database.engine.dispose()
