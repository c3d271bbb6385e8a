"""Several processes as one: started together, restarted when one falls, stopped together."""

import ctypes
import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import Self

import click

POLL = 0.1  # seconds
PATIENCE = 12.0  # seconds for a process to end by itself
START_PATIENCE = 30.0  # seconds until the web must answer
MAX_FALLS = (
    5  # of one process within FALL_WINDOW: then something is wrong that a restart does not mend
)
FALL_WINDOW = 60.0  # seconds
PR_SET_PDEATHSIG = 1  # prctl(2)


class Process:
    """One child of ours, and how often it fell lately."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.name = name
        self._command = list(command)
        self._environment = {**os.environ, **environment}
        self._popen: subprocess.Popen[bytes] | None = None
        self._falls: list[float] = []

    def start(self) -> None:
        self._popen = subprocess.Popen(  # noqa: S603  our own command lines
            self._command,
            env=self._environment,
            start_new_session=True,  # Ctrl-C reaches us alone; we stop the others in order
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509  before any thread
        )

    @property
    def is_running(self) -> bool:
        return self._popen is not None and self._popen.poll() is None

    def fell(self) -> bool:
        """Note a fall; True if there were too many."""
        now = time.monotonic()
        self._falls = [*(fall for fall in self._falls if fall > now - FALL_WINDOW), now]
        return len(self._falls) > MAX_FALLS

    def signal(self, number: signal.Signals) -> None:
        """To the process and its children: they are one group."""
        if self._popen is not None:
            try:
                os.killpg(self._popen.pid, number)
            except ProcessLookupError:
                return

    def ask_to_stop(self) -> None:
        if self.is_running and self._popen is not None:
            self._popen.terminate()


class Supervisor:
    """Starts the processes on entering, stops them all on leaving."""

    def __init__(self, processes: Sequence[Process]) -> None:
        self._processes = list(processes)
        self._stopping = False

    def __enter__(self) -> Self:
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        for process in self._processes:
            process.start()
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.ask_to_stop()
        ends_at = time.monotonic() + PATIENCE
        while any(p.is_running for p in self._processes) and time.monotonic() < ends_at:
            time.sleep(POLL)
        for process in self._processes:
            process.signal(signal.SIGKILL)

    def wait_until(self, ready: Callable[[], bool]) -> bool:
        """Whether `ready` came true before something fell for good or time ran out."""
        ends_at = time.monotonic() + START_PATIENCE
        while not self._stopping and time.monotonic() < ends_at:
            if ready():
                return True
            if not self._mend():
                return False
            time.sleep(POLL)
        return False

    def watch(self) -> int:
        """Stay until told to stop. The exit status: 0 when told, 1 if a process could not be kept up."""
        while not self._stopping:
            if not self._mend():
                return 1
            time.sleep(POLL)
        return 0

    def _mend(self) -> bool:
        for process in self._processes:
            if process.is_running or self._stopping:
                continue
            if process.fell():
                click.echo(f"{process.name}: falls again and again, stopping everything", err=True)
                return False
            click.echo(f"{process.name}: ended, starting it again", err=True)
            process.signal(signal.SIGKILL)  # children it may have left behind
            time.sleep(POLL)
            process.start()
        return True

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True


def answers(url: str) -> bool:
    """Whether our own web process answers; its certificate names another host, so it is not checked."""
    context = ssl._create_unverified_context()  # noqa: S323, SLF001  a question to ourselves
    try:
        with urllib.request.urlopen(url, timeout=1, context=context):  # noqa: S310  http(s) by construction
            return True
    except (urllib.error.URLError, OSError):
        return False


def _end_with_parent() -> None:
    # If `guichet serve` is killed outright, nothing of it stays behind.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
