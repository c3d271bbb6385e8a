"""Does for maintainer scripts in a DebianRoot what systemd would: starts, stops and knows units.

A program `systemctl` in that root passes on what it is asked, and ends with the answer.
"""

import contextlib
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from .children import Child
from .debian_root import DebianRoot
from .units import Unit, start_unit

UNITS = "/usr/lib/systemd/system"
ASKED, ANSWER = "/run/systemd/asked", "/run/systemd/answer"
NOT_ACTIVE, UNKNOWN = 3, 5
SYSTEMCTL = f"""\
#!/bin/sh
printf '%s\\n' "$*" > {ASKED}
read -r code said < {ANSWER}
[ -z "$said" ] || echo "$said"
exit "$code"
"""


class UnitManager:
    """`asked` has every order, `running` every process, by the name of its unit."""

    def __init__(self, root: DebianRoot, folder: Path, instead: Mapping[str, str]):
        self.root, self.folder, self.instead = root, folder, instead
        self.asked: list[str] = []
        self.enabled: set[str] = set()
        self.running: dict[str, Child] = {}
        self._started = 0
        root.path("/run/systemd/system").mkdir(parents=True)
        systemctl = root.path("/usr/bin/systemctl")
        systemctl.unlink(missing_ok=True)
        systemctl.write_text(SYSTEMCTL)
        systemctl.chmod(0o755)
        for name in (ASKED, ANSWER):
            os.mkfifo(root.path(name))

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """It answers until the end of the block."""
        thread = threading.Thread(target=self._serve)
        thread.start()
        try:
            yield
        finally:
            with self.root.path(ASKED).open("w") as pipe:
                pipe.write("goodbye\n")
            thread.join(60)

    def enable_and_start(self, *names: str) -> None:
        """`systemctl enable --now`: what a unit wants starts before it."""
        self.enabled |= set(names)
        assert self._start(list(names)) == 0, "".join(map(self.log, names))

    def log(self, name: str) -> str:
        return "".join(
            path.read_text(encoding="utf-8", errors="replace")
            for path in sorted(self.folder.glob(f"*-{name}.log"))
        )

    def end_all(self) -> None:
        for child in self.running.values():
            child.end()
        for path in sorted(self.folder.glob("*.log")):
            print(f"--- {path.name}\n{path.read_text(errors='replace')}")  # noqa: T201  for a test that failed

    def _serve(self) -> None:
        while True:
            order = self.root.path(ASKED).read_text(encoding="utf-8").strip()
            if order == "goodbye":
                return
            self.asked.append(order)
            words = [word for word in order.split() if not word.startswith("--")]
            answer = self._obey(words[0], words[1:])
            self.root.path(ANSWER).write_text(f"{answer}\n", encoding="utf-8")

    def _obey(self, verb: str, names: list[str]) -> int | str:
        if verb == "is-active":
            return 0 if all(self._is_active(name) for name in names) else NOT_ACTIVE
        if verb == "is-enabled":
            return "0 enabled" if self.enabled.issuperset(names) else "1 disabled"
        if verb not in {"daemon-reload", "start", "stop", "restart"}:
            return UNKNOWN
        if verb in {"stop", "restart"}:
            self._stop(names)
        return self._start(names) if verb in {"start", "restart"} else 0

    def _is_active(self, name: str) -> bool:
        return name in self.running and self.running[name].running

    def _start(self, names: list[str]) -> int:
        """Start what does not run, and before it, once, what all of that wants."""
        units = {name: Unit(self.root.path(f"{UNITS}/{name}")) for name in names}
        wanted = {
            each
            for name, unit in units.items()
            if not self._is_active(name)
            for each in unit["Unit"].get("Wants", "").split()
            if each.endswith(".service")
        }
        if wanted:
            self._start(sorted(wanted))  # a failure stops nobody who only wants it
        return max((self._start_one(name, unit) for name, unit in units.items()), default=0)

    def _start_one(self, name: str, unit: Unit) -> int:
        if self._is_active(name):
            return 0
        self._started += 1
        log = self.folder / f"{self._started:02}-{name}.log"
        path = self.root.path(f"{UNITS}/{name}")
        child = start_unit(path, self.root.folder, log, instead=self.instead)
        if unit["Service"].get("Type") == "oneshot":
            return child.process.wait(600)
        self.running[name] = child
        return 0

    def _stop(self, names: list[str]) -> None:
        for name in names:
            if child := self.running.pop(name, None):
                child.stop()
