"""Child processes of the demo, each with its own process group and log file."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parents[2]
STOP_TIMEOUT = 20.0  # seconds for a process to end by itself: `guichet serve` has children too
POLL = 0.1  # seconds
PR_SET_PDEATHSIG = 1  # prctl(2)


class Failed(Exception):
    """Some part of the demo does not work; the message says which, and where its log is."""


class Child:
    """One process; making the object starts it."""

    def __init__(
        self, name: str, argv: Sequence[str], *, log: Path, env: Mapping[str, str], cwd: Path
    ) -> None:
        self.name, self.log = name, log
        with log.open("ab") as out:
            self._process = subprocess.Popen(  # noqa: S603  our own command lines
                argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=dict(env),
                cwd=cwd,
                start_new_session=True,  # Ctrl-C reaches only the demo, which stops the others
                preexec_fn=_end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509  before any thread
            )

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def wait_until(self, ready: Callable[[], bool], *, within: float = 120.0) -> None:
        """Wait until `ready` is true. Raises Failed if the process ends, or takes too long."""
        ends_at = time.monotonic() + within
        while not ready():
            if not self.is_running or time.monotonic() > ends_at:
                raise Failed(f"{self.name} does not start: {self.log}")
            time.sleep(POLL)

    def ask_to_stop(self) -> None:
        if self.is_running:
            self._process.terminate()

    def finish(self, ends_at: float) -> None:
        """Wait for its end until `ends_at` (monotonic clock), then kill its process group."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(max(0.0, ends_at - time.monotonic()))
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def stop(children: Sequence[Child]) -> None:
    """Stop all processes at the same time."""
    for child in children:
        child.ask_to_stop()
    ends_at = time.monotonic() + STOP_TIMEOUT
    for child in children:
        child.finish(ends_at)


def environment(**given: str) -> dict[str, str]:
    """The environment of a process, without proxies or GUICHET_* settings of the shell."""
    inherited = {
        name: os.environ[name] for name in ("HOME", "LANG", "TZ", "USER") if name in os.environ
    }
    ours = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "GUICHET_ENV_FILE": ""}
    return inherited | ours | given


def _end_with_parent() -> None:
    # If the demo is killed, its processes end as well.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
