"""Whether the database answers in time: after one request had to wait, the others need not."""

import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from sqlalchemy.exc import SQLAlchemyError

log = logging.getLogger(__name__)

TRY_AGAIN = 2.0  # seconds between two tries of a database that did not answer
_starting = threading.Lock()  # held while a thread is started, by one that may be gone after a fork


def _renew_lock() -> None:
    global _starting  # noqa: PLW0603  a fork can only replace what it inherited
    _starting = threading.Lock()


os.register_at_fork(after_in_child=_renew_lock)


class Availability:
    """What one process knows of it, for all its threads.

    While it is away, a thread tries it every few seconds: no request has to.
    """

    def __init__(self, ping: Callable[[], None], *, try_again: float = TRY_AGAIN) -> None:
        """`ping` raises SQLAlchemyError unless the database answers."""
        self._ping, self._try_again = ping, try_again
        self._is_away = self._is_wanted = False
        self._thread: threading.Thread | None = None

    @property
    def is_away(self) -> bool:
        """Whether it did not answer in time when it was last asked."""
        if self._is_away:
            self._keep_trying()  # this process may be a fork, in which the thread does not exist
        return self._is_away

    def may_connect(self) -> bool:
        """Whether this thread may connect: while it is away, only the one that tries it."""
        return threading.current_thread() is self._thread or not self.is_away

    def failed(self) -> None:
        """Record that it did not answer in time."""
        if not self._is_away:
            log.error("the database does not answer: who needs it is refused until it does")
        self._is_away = True
        if threading.current_thread() is not self._thread:  # that one knows when to end
            self._keep_trying()

    def rest(self) -> None:
        """Its connections were closed: try once more, and then not until somebody asks again.

        Once, since a process may close them after every question, and must yet find out.
        """
        self._is_wanted = False

    def _keep_trying(self) -> None:
        with _starting:
            self._is_wanted = True
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="database", daemon=True)
                with suppress(RuntimeError):  # this process ends
                    self._thread.start()

    def _run(self) -> None:
        while self._is_away:
            time.sleep(self._try_again)
            with suppress(SQLAlchemyError):
                self._ping()
                self._is_away = False
                log.warning("the database answers again")
            if not self._is_wanted:
                return
