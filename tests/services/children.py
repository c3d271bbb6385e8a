"""A child process in a group of its own, with its log in a file."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from .waiting import NeverHappened, wait_for

# `make coverage` measures what the tests start as well: those processes are given this.
MEASURED = {name: os.environ[name] for name in ("COVERAGE_PROCESS_CONFIG",) if name in os.environ}


class MissingService(Exception):
    """A server the suite needs is not installed; the message says which and how to get it."""


class Child:
    """Started at once. Its own process group, so that nothing it started outlives it."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str],
        cwd: Path,
        user: str | None = None,
    ) -> None:
        self.argv = [str(part) for part in argv]
        self.log_path = log
        self._end_of_log = log.stat().st_size if log.exists() else 0
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=dict(env),
                cwd=cwd,
                start_new_session=True,
                user=user,
                group=user,
                extra_groups=None if user is None else [],
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def log(self) -> str:
        """What it wrote so far (of earlier runs with the same file: nothing)."""
        return self.log_path.read_bytes()[self._end_of_log :].decode("utf-8", "replace")

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def wait_until(self, question, *, what: str, within: float = 90.0):
        """Wait, but not for a process that is gone: then say how it ended."""

        def still_asking():
            if not self.running:
                raise NeverHappened(
                    f"{self.argv[0]} ended ({self.process.returncode}) before {what}:\n{self.log}"
                )
            return question()

        try:
            return wait_for(still_asking, what=what, within=within)
        except NeverHappened as error:
            raise NeverHappened(f"{error}\n{self.log[-4000:]}") from None

    def wait_for_log(self, text: str, *, within: float = 90.0) -> None:
        self.wait_until(lambda: text in self.log, what=f"“{text}” in the log", within=within)

    def send(self, number: signal.Signals) -> None:
        """To the process alone, as an operator's `kill` would."""
        if self.running:
            self.process.send_signal(number)

    def freeze(self) -> None:
        """It and all that it started stand still: connections stay open, and nobody answers."""
        _send_to_family(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on where it stood."""
        _send_to_family(self.pid, signal.SIGCONT)

    def stop(self, number: signal.Signals = signal.SIGTERM, *, within: float = 60.0) -> int:
        """Ask it to end and wait; what is left of its group after that is killed."""
        self.send(number)
        try:
            return self.process.wait(within)
        except subprocess.TimeoutExpired:
            raise NeverHappened(
                f"{self.argv[0]} did not stop within {within:.0f} s:\n{self.log[-4000:]}"
            ) from None
        finally:
            self.kill()

    def end(self) -> None:
        """At the end of a test: killed, unless it is measured. It must have time to write that down."""
        if not MEASURED:
            self.kill()
            return
        try:
            self.stop()
        except NeverHappened as late:
            print(late)  # noqa: T201  its part of the figures is missing, nothing else

    def kill(self) -> None:
        """kill -9, the whole group: no farewell."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Server:
    """A child that tests of bad days stop, kill, freeze and start again; `start`, of each kind of server, sets it."""

    child: Child | None = None

    @property
    def running(self) -> bool:
        return self.child is not None and self.child.running

    def stop(self) -> None:
        if self.child:
            self.child.stop()

    def kill(self) -> None:
        if self.child:
            self.child.kill()

    def end(self) -> None:
        if self.child:
            self.child.end()

    def freeze(self) -> None:
        """Every process of it stands still; the kernel still takes what clients send."""
        assert self.child
        self.child.freeze()

    def thaw(self) -> None:
        assert self.child
        self.child.thaw()


@contextlib.contextmanager
def standing_still(server) -> Iterator[None]:
    """A server that takes connections and says nothing, until the block ends."""
    server.freeze()
    try:
        yield
    finally:
        server.thaw()


def children_of(pid: int) -> list[int]:
    """What it started and what runs still; nothing of a process that has ended. Threads of it may end meanwhile."""
    if not Path("/proc/thread-self/children").exists():
        raise MissingService("this kernel does not say which children a process has")
    found: list[int] = []
    with contextlib.suppress(ProcessLookupError, FileNotFoundError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(ProcessLookupError, FileNotFoundError):
                found += map(int, (task / "children").read_text().split())
    return found


def command_of(pid: int) -> str:
    """Its words, each with a NUL behind it; none of a process that has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def lives(pid: int) -> bool:
    """Whether it runs: one that has ended, and that nobody has asked for how, has no words any more."""
    return bool(command_of(pid))


def _send_to_family(pid: int, number: signal.Signals) -> None:
    """To the process first: once it stands still, it starts no others. Some may end meanwhile."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
        for child in children_of(pid):
            _send_to_family(child, number)
