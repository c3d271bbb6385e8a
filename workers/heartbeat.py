"""The worker says every ten seconds that it lives, and which private halves it has."""

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
    """A thread of the worker's first process, beside the pool that does the work."""

    def __init__(self, services: WorkerServices) -> None:
        self._wired, self._stopping = services, Event()
        self._worker = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._thread = Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """From now on nobody counts on this worker."""
        self._stopping.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._write(is_alive=True)
            self._stopping.wait(worker_heartbeats.EVERY.total_seconds())
        self._write(is_alive=False)

    def _write(self, *, is_alive: bool) -> None:
        key_ids = [public.key_id for public in self._wired.private_halves.publics]
        try:
            with self._wired.database.transaction() as session:
                if is_alive:
                    worker_heartbeats.beat(
                        session, self._wired.now(), worker=self._worker, key_ids=key_ids
                    )
                else:
                    worker_heartbeats.end(session, self._worker)
        except SQLAlchemyError as error:
            log.warning("no heartbeat: the database is away: %s", type(error).__name__)
        finally:
            # No connection is open when the pool makes another process of this one.
            self._wired.database.engine.dispose()
