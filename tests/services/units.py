"""The units of deploy/systemd, and their processes started as systemd would start them.

No systemd runs where the tests do. So its work is done here, in a folder as the root of the file
system: the user and the group, the environment, the working directory, no capability and no new
privilege, and the filters of system calls, which libseccomp loads as it does for systemd. What
needs mounts (ProtectSystem=, PrivateTmp=, InaccessiblePaths= and the like) is left out: modes alone
must suffice there.
"""

import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from configparser import RawConfigParser
from pathlib import Path

from identity.env_files import parse

from .children import Child

LAUNCHER = Path(__file__).with_name("unit_launcher.py")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"


class Unit(RawConfigParser):
    """A unit file: a name may stand in a section several times, and its values are joined."""

    def __init__(self, path: Path):
        super().__init__(strict=False, delimiters="=", comment_prefixes="#", interpolation=None)
        self.optionxform = str
        self.lines: list[tuple[str, str]] = []
        found: dict[str, dict[str, str]] = {}
        section = {}
        for line in path.read_text(encoding="utf-8").splitlines():
            if header := re.fullmatch(r"\[(\w+)\]", line):
                section = found.setdefault(header[1], {})
            elif line and not line.startswith("#"):
                name, _, value = line.partition("=")
                section[name] = f"{section[name]} {value}" if name in section else value
                self.lines.append((name, value))
        self.read_dict(found)


def environment_of(unit: Unit, root: Path) -> dict[str, str]:
    """What the process finds in its environment: what a file says is stronger."""
    service = unit["Service"]
    given = dict(pair.split("=", 1) for pair in shlex.split(service.get("Environment", "")))
    file = root / service["EnvironmentFile"].lstrip("/")
    read = {name: value for _line, name, value in parse(file.read_text(encoding="utf-8"), file)}
    user = service["User"]
    return {"PATH": PATH, "LANG": "C.UTF-8", "USER": user, "LOGNAME": user} | given | read


def start_unit(path: Path, root: Path, log: Path, *, instead: Mapping[str, str] = {}) -> Child:
    """Start what ExecStart names, under `root`. `instead`: words of ExecStart to be replaced."""
    unit = Unit(path)
    service = unit["Service"]
    words = [instead.get(word, word) for word in shlex.split(service["ExecStart"])]
    options = [
        *("--root", str(root), "--user", service["User"], "--umask", service["UMask"]),
        *("--group", service.get("Group", ""), "--directory", service["WorkingDirectory"]),
        *("--families", service["RestrictAddressFamilies"]),
        *("--calls", ",".join(sorted(allowed_calls(unit)))),
        *(["--no-write-and-execute"] if service["MemoryDenyWriteExecute"] == "true" else []),
    ]
    for name in ("NoNewPrivileges", "RestrictNamespaces"):
        assert service[name] == "true", f"{name} of {path.name}: the launcher always does it"
    assert not service["CapabilityBoundingSet"], "the launcher takes all of them"
    return Child(
        [sys.executable, str(LAUNCHER), *options, "--", *words],
        log=log,
        env=environment_of(unit, root),
        cwd=root,
    )


def allowed_calls(unit: Unit) -> set[str]:
    """The system calls that the lines SystemCallFilter= leave, by name."""
    sets = _sets_of_calls()
    allowed: set[str] = set()
    for name, value in unit.lines:
        if name == "SystemCallFilter":
            calls = set().union(*(_expand(word, sets) for word in value.lstrip("~").split()))
            allowed = allowed - calls if value.startswith("~") else allowed | calls
    return allowed


def _expand(word: str, sets: Mapping[str, list[str]]) -> set[str]:
    if not word.startswith("@"):
        return {word}
    return set().union(*(_expand(each, sets) for each in sets[word]))


def _sets_of_calls() -> dict[str, list[str]]:
    """As systemd knows them: a word at the margin names a set, indented ones are in it."""
    told = subprocess.run(
        ["systemd-analyze", "syscall-filter", "--no-pager"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    sets: dict[str, list[str]] = {}
    current: list[str] = []
    for line in told.splitlines():
        if line.startswith("@"):
            current = sets.setdefault(line.strip(), [])
        elif line.startswith(" ") and not line.strip().startswith("#"):
            current.append(line.strip())
    return sets
