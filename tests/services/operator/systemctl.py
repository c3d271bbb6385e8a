"""`systemctl` where systemd does not run: it starts and stops the units of deploy/ for real.

Of other servers it checks that Debian has such a unit, and that systemd knows the verb. Two of them
do what they are told: PostgreSQL reads its files again, and PgBouncer starts.
"""

import fnmatch
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from identity.core.clock import utc_now
from identity.env_files import read_env_file
from tests.services.children import Child
from tests.services.waiting import port_answers, wait_for

from .machine import DEPLOY, Failed, Machine

OURS = DEPLOY / "systemd"
DEBIANS = Path("/usr/lib/systemd/system")
VERBS = {"start", "stop", "restart", "enable", "reload", "status"}
MOST = 1 << 20  # bytes of one call


class Systemctl:
    """`begin` listens for calls of the machine's shell, `end` stops whatever was started."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.running: dict[str, tuple[Child, datetime]] = {}
        self._known = subprocess.run(
            ["/usr/bin/systemctl", "--help"], capture_output=True, text=True, check=True
        ).stdout
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def begin(self) -> None:
        self._socket.bind(str(self.machine.folder / "systemctl.socket"))
        self._socket.listen(4)
        threading.Thread(target=self._serve, daemon=True).start()

    def end(self) -> None:
        """Units end by themselves: if they were killed, their own processes would be left over."""
        self._stop([*self.running])
        self._socket.close()

    def settle(self) -> None:
        """Until every process that was started has reported itself: an operator looks, too."""
        wait_for(self._all_reported, what=f"{', '.join(self.running)} report", pause=0.3)

    def _all_reported(self) -> bool:
        wanted = {
            name.removeprefix("guichet-"): (_processes(child), since)
            for name, (child, since) in self.running.items()
            if name.startswith("guichet-")
        }
        if not wanted:
            return True
        for name, (child, _) in self.running.items():
            if not child.running:
                raise Failed(f"{name} has ended:\n{child.log[-4000:]}")
        nodes = self.machine.told("node", "list")
        for kind, (number, since) in wanted.items():
            started = [
                each for each in nodes if each["kind"] == kind and _time(each["started_at"]) > since
            ]
            if len(started) < number:
                return False
        return True

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                talk, _ = self._socket.accept()
                with talk:
                    raw, files, _flags, _from = socket.recv_fds(talk, MOST, 3)
                    try:
                        said, code = self._answer(json.loads(raw)["words"]), 0
                    except Exception as error:  # noqa: BLE001  the caller is told
                        said, code = f"systemctl: {error}\n", 1
                    os.write(files[2], said.encode())
                    for file in files:
                        os.close(file)
                    talk.send(str(code).encode())

    def _answer(self, words: list[str]) -> str:
        if Path(words[0]).name == "journalctl":
            return _look_into_journal(words[1:])
        return self._do(words[1:])

    def _do(self, words: list[str]) -> str:
        options = {word for word in words if word.startswith("-")}
        verb, *units = [word for word in words if word not in options]
        if verb not in VERBS or not re.search(rf"^  {verb}\b", self._known, re.MULTILINE):
            raise Failed(f"{verb}: this verb is not known here")
        if options - {"--now"}:
            raise Failed(f"{options}: these options are not known here")
        if not units:
            raise Failed("no unit is named")
        for unit in units:
            self._check(unit, verb)
        if verb in {"stop", "restart"}:
            self._stop(units)
        if verb in {"start", "restart"} or "--now" in options:
            for unit in units:
                self._start(unit)
        if verb == "reload" and "postgresql" in units and self.machine.around.postgresql.child:
            self.machine.around.postgresql.child.send(signal.SIGHUP)
        return ""

    def _check(self, unit: str, verb: str) -> None:
        folder = OURS if unit.startswith("guichet-") else DEBIANS
        found = list(folder.glob(f"{unit}.service"))
        if not found:
            raise Failed(f"there is no unit {unit}")
        path = found[0]
        if verb == "reload" and "ExecReload=" not in path.read_text(encoding="utf-8"):
            raise Failed(f"{unit} cannot be reloaded")

    def _stop(self, units: list[str]) -> None:
        ended = [self.running.pop(unit)[0] for unit in units if unit in self.running]
        for child in ended:
            child.send(signal.SIGTERM)
        for child in ended:
            child.stop()

    def _start(self, unit: str) -> None:
        machine = self.machine
        since, log = utc_now(), machine.folder / f"{unit}.log"
        if unit == "pgbouncer":
            file = machine.root / "etc/pgbouncer/pgbouncer.ini"
            child = self._as_postgres(["/usr/sbin/pgbouncer", str(file)], log)
            child.wait_until(lambda: port_answers(machine.ports[6432]), what="PgBouncer listens")
        elif unit.startswith("guichet-"):
            text = machine.here((OURS / f"{unit}.service").read_text(encoding="utf-8"))
            lines = re.findall(r"^(\w+)=(.+)$", text, re.MULTILINE)
            environment = dict(machine.environment)
            for name, value in lines:
                if name == "EnvironmentFile":
                    environment |= read_env_file(Path(value))
                elif name == "Environment":
                    environment |= dict([value.split("=", 1)])
            (command,) = (value for name, value in lines if name == "ExecStart")
            program, *words = shlex.split(command)
            argv = [str(machine.programs / Path(program).name), *words]
            child = Child(argv, log=log, env=environment, cwd=machine.root)
        else:
            return  # Debian's own: it runs already, or is not asked
        self.running[unit] = child, since

    def _as_postgres(self, argv: list[str], log: Path) -> Child:
        """As Debian's unit runs it."""
        user = "postgres" if os.geteuid() == 0 else None
        folder = Path(argv[-1]).parent
        if user:
            shutil.chown(argv[-1], user)
        return Child(argv, log=log, env={}, cwd=folder, user=user)


def _look_into_journal(words: list[str]) -> str:
    """There is no journal here: units must exist, and journalctl itself must take the rest."""
    rest = []
    words = [*words]
    while words:
        word = words.pop(0)
        if word in {"-u", "--unit"}:
            pattern = words.pop(0)
            units = [path.stem for path in (*OURS.iterdir(), *DEBIANS.glob("*.service"))]
            if not fnmatch.filter(units, pattern.removesuffix(".service")):
                raise Failed(f"there is no unit {pattern}")
        else:
            rest.append(word)
    with tempfile.TemporaryDirectory() as empty:
        argv = ["/usr/bin/journalctl", f"--directory={empty}", *rest]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        raise Failed(done.stdout + done.stderr)
    return done.stdout + done.stderr


def _processes(child: Child) -> int:
    """How many report themselves: each process of `guichet web`, and the one of all others."""
    if "--workers" in child.argv:
        return int(child.argv[child.argv.index("--workers") + 1])
    return 1


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
