"""The rules run inside Synapse: what they import, a homeserver imports."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import domain_rules

FOLDER = Path(domain_rules.__file__).parent
LIBRARIES = {
    "addresses.py": {"email_validator", "idna"},
    "display.py": {"idna"},
    "mailboxes.py": {"idna"},
}
# What computes, and neither looks at a clock nor speaks to anybody.
STANDARD = {
    *("base64", "collections", "collections.abc", "copy", "csv", "dataclasses", "datetime"),
    *("difflib", "email.errors", "email.header", "enum", "functools", "hashlib", "heapq", "hmac"),
    *("html", "ipaddress", "itertools", "json", "math", "re", "sys", "typing", "unicodedata"),
    "urllib.parse",
}
MODULES = sorted(path for path in FOLDER.rglob("*.py") if "synapse_modules" not in path.parts)


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_a_module_imports_only_what_computes_and_its_neighbours(path):
    foreign = {name for name in imported(path) if name.partition(".")[0] != "domain_rules"}
    assert foreign - STANDARD <= LIBRARIES.get(path.name, set())


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_a_module_reads_no_clock_and_no_file(path):
    tree = ast.parse(path.read_text())
    called = {node.func for node in ast.walk(tree) if isinstance(node, ast.Call)}
    names = {getattr(func, "id", None) or getattr(func, "attr", None) for func in called}
    assert not names & {
        "__import__",
        "eval",
        "exec",
        "open",
        "now",
        "utcnow",
        "today",
        "read_text",
        "urlopen",
        "getenv",
    }


def test_the_package_alone_brings_in_nothing():
    code = "import sys, domain_rules; print('email_validator' in sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=FOLDER.parent
    )
    assert ran.stdout.strip() == "False"


def test_the_modules_are_found():
    assert {"addresses.py", "rules.py", "reading.py"} <= {path.name for path in MODULES}
