"""Supervises processes: starts them, restarts one that ends, stops them together."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import Self

import click

from identity.command.parents import end_with_parent

POLL = 0.1  # seconds
STOP_TIMEOUT = 12.0  # seconds for a process to end by itself
START_TIME = 30.0  # seconds after which a start is called slow
MAX_FAILURES = 5  # of one process within FAILURE_WINDOW; after that a restart does not help
FAILURE_WINDOW = 60.0  # seconds


class Process:
    """A child process, and how often it has ended unexpectedly of late."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        before: Callable[[], None] = lambda: None,
        shows_output: bool = True,
    ) -> None:
        """`before`: called before each start. Without `shows_output`, only stderr is shown."""
        self.name = name
        self._before = before
        self._stdout = None if shows_output else subprocess.DEVNULL
        self._command = list(command)
        self._environment = {**os.environ, **environment}
        self._popen: subprocess.Popen[bytes] | None = None
        self._failures: list[float] = []

    def start(self) -> None:
        self._before()
        self._popen = subprocess.Popen(  # noqa: S603  our own command lines
            self._command,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=self._stdout,
            start_new_session=True,  # Ctrl-C reaches only us; we stop the others in order
            preexec_fn=end_with_parent,  # noqa: PLW1509  before any thread
        )

    @property
    def is_running(self) -> bool:
        return self._popen is not None and self._popen.poll() is None

    def record_failure(self) -> bool:
        """Record that the process ended; True if it has done so too often."""
        now = time.monotonic()
        self._failures = [*(at for at in self._failures if at > now - FAILURE_WINDOW), now]
        return len(self._failures) > MAX_FAILURES

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process and its children, which are one process group."""
        if self._popen is not None:
            try:
                os.killpg(self._popen.pid, number)
            except ProcessLookupError:
                return

    def ask_to_stop(self) -> None:
        if self.is_running and self._popen is not None:
            self._popen.terminate()


class Supervisor:
    """A context manager that stops on leaving the processes that it has started."""

    def __init__(self) -> None:
        self._processes: list[Process] = []
        self._stopping = False

    def __enter__(self) -> Self:
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        return self

    def start(self, processes: Sequence[Process]) -> None:
        for process in processes:
            self._processes.append(process)
            process.start()

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.ask_to_stop()
        ends_at = time.monotonic() + STOP_TIMEOUT
        while any(p.is_running for p in self._processes) and time.monotonic() < ends_at:
            time.sleep(POLL)
        for process in self._processes:
            process.signal(signal.SIGKILL)

    def wait_until(self, ready: Callable[[], bool]) -> bool:
        """Wait until `ready` is true. False if a process fails for good, or at a signal."""
        slow_at = time.monotonic() + START_TIME
        while not self._stopping:
            if ready():
                return True
            if not self._restart_ended():
                return False
            if time.monotonic() > slow_at:
                click.echo("Still starting: this machine is slow, or busy.", err=True)
                slow_at = float("inf")
            time.sleep(POLL)
        return False

    def watch(self) -> int:
        """Keep the processes running until a signal.

        Return the exit status: 0, or 1 after failures.
        """
        while not self._stopping:
            if not self._restart_ended():
                return 1
            time.sleep(POLL)
        return 0

    def _restart_ended(self) -> bool:
        for process in self._processes:
            if process.is_running or self._stopping:
                continue
            if process.record_failure():
                click.echo(f"{process.name}: falls again and again, stopping everything", err=True)
                return False
            click.echo(f"{process.name}: ended, starting it again", err=True)
            process.signal(signal.SIGKILL)  # children it may have left behind
            time.sleep(POLL)
            process.start()
        return True

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True
