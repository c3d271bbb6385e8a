"""The world of the operator's page: its machine, its people, and what of the page is done elsewhere."""

import os
import re
import shlex
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from identity.cli.commands import guichet
from tests.services.children import MissingService
from tests.services.operator.machine import GROUP, WORKER, Around, Machine
from tests.services.operator.systemctl import Systemctl
from tests.services.postgresql import PostgreSQLServer
from tests.worlds.operator_page import Piece
from tests.worlds.operator_people import AGENTS, Homeserver, People

# A command that begins so is not done here. Each with the reason.
ELSEWHERE = {
    "apt-get install ./guichet_": "the package is built and installed by its own tests",
    "apt-get install postgresql": "make installs what the tests need",
    "guichet invitation deliver": "nobody has accepted an invitation here; "
    "tests/integration/invitations",
    "guichet invitation send people.csv": "no homeserver with our module is here; "
    "tests/integration/bulk_invites/test_invitation_send.py",
}
# These end with another code than 0, as the page says.
ENDS = {
    "guichet keys retire link --leaked": {1, 3},  # the federation has one link key only
    'guichet restore dismiss --reason "…"': {1},  # `begin` was run before
    "guichet homeserver release NAME": {0, 1},  # it is neither held nor suspended any more
    "guichet homeserver resume NAME": {0, 1},
}
PLACEHOLDERS = {
    "ADDRESS": "alice.martin@interieur.example",
    "ROOM": "!room:agents.example",
    "USER": "@alice.martin-interieur.example:agents.example",
    "NAME": "agents.example",
}


class Operated:
    """Does what stands on the page, piece by piece."""

    def __init__(self, machine: Machine, systemctl: Systemctl) -> None:
        self.machine, self.systemctl = machine, systemctl
        self.people = People(machine)
        self._excepted: set[str] = set()
        self._before = {
            "Try it": self.people.alice_asks_for_a_code,
            "Every day": self.people.have_lived_here,
        }

    def do(self, piece: Piece) -> None:
        if piece.kind == "heading":
            self._before.pop(piece.text, lambda: None)()
        elif piece.kind in {"inline", "cell"}:
            self._do_inline(piece)
        elif piece.kind == "ini":
            self._write(piece)
        else:
            self.systemctl.settle()
            self._run_block(piece)

    def check_owners(self) -> None:
        """After all that was done with keys, each file still belongs to whom it should."""
        folder = self.machine.root / "etc/guichet"
        for name, mode in (("secret_keys", 0o640), ("storage_keys", 0o640)):
            assert self._owner(folder / name) == (0, GROUP, mode)
        assert self._owner(folder / "homeserver_keys") == (WORKER, GROUP, 0o400)

    def _owner(self, path: Path) -> tuple[int, int, int]:
        found = path.stat()
        return found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)

    def check_exceptions(self) -> None:
        """Nothing is left over: neither an exception nor a moment that never came."""
        assert {*ELSEWHERE, *ENDS} == self._excepted
        assert not self._before

    def _run_block(self, piece: Piece) -> None:
        lines = piece.text.splitlines()
        kept = [line for line in lines if not self._is_elsewhere(line)]
        # A journal without a fault is well, though grep finds nothing.
        ends = frozenset({0, 1} if len(kept) == 1 and "| grep" in kept[0] else {0})
        output = self.machine.run("\n".join(kept), where=piece.where, ends=ends)
        if "keys init" in piece.text:
            self.printed_keys = re.findall(r"^GUICHET_\w+=\S+$", output, re.MULTILINE)
            assert len(self.printed_keys) == 3

    def _do_inline(self, piece: Piece) -> None:
        command = piece.text
        if self._is_elsewhere(command) or is_name(command, in_prose=piece.kind == "inline"):
            return
        ends = {0}
        if command in ENDS:
            self._excepted.add(command)
            ends = ENDS[command]
        for word, value in PLACEHOLDERS.items():
            command = re.sub(rf"\b{word}\b", value, command)
        self.systemctl.settle()
        self.machine.run(command, where=piece.where, ends=frozenset(ends))

    def _write(self, piece: Piece) -> None:
        text = piece.text
        if "guichet.env" in text.splitlines()[0]:
            for line in self.printed_keys:
                name = line.partition("=")[0]
                text, count = re.subn(
                    rf"^{name}=.*$", self._unmapped(line), text, flags=re.MULTILINE
                )
                assert count == 1, f"the sample has no line {name}"
            text += "".join(f"\n{line}" for line in self._listeners())
        path = self.machine.write(text)
        if path.parent.name == "cron.d":
            self._run_cron(path)

    def _unmapped(self, line: str) -> str:
        return line.replace(str(self.machine.root), "")

    def _listeners(self) -> list[str]:
        """Free ports instead of those that are there without a setting."""
        return [
            "GUICHET_INTERNAL_LISTEN=127.0.0.1:8091",
            "GUICHET_WORKER_METRICS_LISTEN=127.0.0.1:8092",
        ]

    def _run_cron(self, path: Path) -> None:
        for line in filter(None, path.read_text().splitlines()):
            *times, user, command = line.split(None, 6)
            assert all(re.fullmatch(r"[\d*/,-]+", each) for each in times), line
            self.machine.run(f"runuser -u {user} -- {command}", where=str(path))

    def _is_elsewhere(self, line: str) -> bool:
        for begin in ELSEWHERE:
            if line.strip().startswith(begin):
                self._excepted.add(begin)
                return True
        return False


def is_name(command: str, *, in_prose: bool) -> bool:
    """Whether it only names a command: its words, and nothing behind them.

    In a table it is there to be typed, unless something must be given to it.
    """
    program, *words = shlex.split(command)
    if program != "guichet":
        return False
    guichet.load_all()
    here: click.Command = guichet
    for word in words:
        if word.startswith("-") or not isinstance(here, click.Group):
            return False
        assert word in here.commands, command
        here = here.commands[word]
    return in_prose or any(each.required for each in here.params)


@pytest.fixture
def operated(redis_server, smtp_server, authority) -> Iterator[Operated]:
    if os.geteuid() != 0:
        raise MissingService(
            "the operator is root: run this test as root, as continuous integration does"
        )
    folder = Path(tempfile.mkdtemp(prefix="guichet-operated-"))
    folder.chmod(0o755)
    cluster = Path(tempfile.mkdtemp(prefix="guichet-pg-"))
    homeserver = Homeserver(AGENTS, authority.issue())
    postgresql = PostgreSQLServer(cluster)
    try:
        postgresql.start()
        machine = Machine(
            folder, Around(postgresql, redis_server, smtp_server, homeserver, authority)
        )
        systemctl = Systemctl(machine)
        machine.start()
        systemctl.begin()
        try:
            yield Operated(machine, systemctl)
        finally:
            systemctl.end()
            machine.stop()
            for log in sorted(folder.glob("*.log")):
                print(f"--- {log.name}\n{log.read_text()[-3000:]}")  # noqa: T201  pytest shows it when the test failed
    finally:
        postgresql.kill()
        homeserver.close()
        shutil.rmtree(folder)
        shutil.rmtree(cluster)
        cluster.with_suffix(".log").unlink(missing_ok=True)
