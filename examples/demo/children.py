"""The processes of the demo: each in a group of its own with its log in a file, none outlives the demo."""

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
PATIENCE = 20.0  # seconds for a process to end by itself: `guichet serve` has children of its own
POLL = 0.1
PR_SET_PDEATHSIG = 1  # prctl(2)


class Failed(Exception):
    """Something of the demo does not work; the message says what, and where its log is."""


class Child:
    """One process, started at once."""

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
                start_new_session=True,  # Ctrl-C reaches the demo alone, which stops the others
                preexec_fn=_end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509  before any thread
            )

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def wait_until(self, ready: Callable[[], bool], *, within: float = 120.0) -> None:
        """Raises Failed if it ends before, or takes too long."""
        ends_at = time.monotonic() + within
        while not ready():
            if not self.is_running or time.monotonic() > ends_at:
                raise Failed(f"{self.name} does not start: {self.log}")
            time.sleep(POLL)

    def ask_to_stop(self) -> None:
        if self.is_running:
            self._process.terminate()

    def finish(self, ends_at: float) -> None:
        """Wait for its end until then; what is left of its group after that is killed."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(max(0.0, ends_at - time.monotonic()))
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def stop(children: Sequence[Child]) -> None:
    """All at once."""
    for child in children:
        child.ask_to_stop()
    ends_at = time.monotonic() + PATIENCE
    for child in children:
        child.finish(ends_at)


def environment(**given: str) -> dict[str, str]:
    """What every process needs. A proxy or a setting of the shell's would lead it astray."""
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "TZ", "USER") if name in os.environ}
    return kept | {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)} | given


def _end_with_parent() -> None:
    # If the demo is killed outright, nothing of it stays behind.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
