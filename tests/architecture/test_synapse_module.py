"""The module runs inside Synapse: with what Synapse brings, on the oldest Python it takes, and nothing of ours beside the rules."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-synapse/bin/python"
FOLDER = ROOT / "domain_rules/synapse_modules"
MODULES = sorted(FOLDER.glob("*.py"))
# Requirements of Synapse itself.
OF_SYNAPSE = {
    *("synapse", "twisted", "treq", "signedjson", "unpaddedbase64", "prometheus_client"),
    "jsonschema",
}
OLDEST_PYTHON = (3, 10)
HEAVY = ("flask", "sqlalchemy", "celery", "redis", "identity", "workers")

LOAD = f"""
import importlib, pkgutil, sys
import domain_rules.synapse_modules as package
from domain_rules.synapse_modules import Guichet
modules = [importlib.import_module(f"{{package.__name__}}.{{name}}") for _, name, _ in package.PARTS]
parts = [getattr(module, name) for module, (_, _, name) in zip(modules, package.PARTS)]
brought = {{name.partition(".")[0] for name in sys.modules}}
print(sorted(set({HEAVY}) & brought))
from synapse.module_api.errors import ConfigError
try:
    Guichet.parse_config({{"guichet_url": "nowhere", "credential": "x"}})
except ConfigError as fault:
    print(fault.path, fault)
"""


def names(path: Path) -> set[str]:
    imported = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            imported.add(node.module or "")
    return {name.partition(".")[0] for name in imported}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_a_part_imports_only_what_synapse_brings(path):
    assert names(path) - sys.stdlib_module_names - {"domain_rules"} <= OF_SYNAPSE


@pytest.mark.parametrize("path", sorted(FOLDER.parent.rglob("*.py")), ids=lambda path: path.name)
def test_it_is_read_by_the_oldest_python(path):
    read = ast.parse(path.read_text(), feature_version=OLDEST_PYTHON)
    assert ast.get_docstring(read)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_nothing_blocks_the_process(path):
    assert not names(path) & {"requests", "urllib3", "socket", "subprocess", "http", "psycopg"}
    assert "time" not in names(path)


@pytest.mark.synapse
def test_the_wheel_in_synapses_environment_has_every_part_and_brings_nothing_else():
    assert PYTHON.exists(), "Synapse is not installed: make .venv-synapse/.ready"
    done = subprocess.run(
        [PYTHON, "-I", "-c", LOAD], cwd="/", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    brought, fault = done.stdout.splitlines()
    assert brought == "[]"
    assert fault.startswith("('guichet_url',) ")


def test_the_modules_are_found():
    assert {"__init__.py", "guest_rules.py", "cache.py"} <= {path.name for path in MODULES}
