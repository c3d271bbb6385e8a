"""Modules are named for what they are, and say what they are about."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMELESS = {"utils", "util", "helpers", "helper", "common", "manager", "base", "misc"}
CODE = sorted(
    path.relative_to(ROOT)
    for folder in ("identity", "domain_rules", "workers")
    for path in (ROOT / folder).rglob("*.py")
)
TRANSACTIONS = Path("identity/core/database.py")  # opens them, for writing and for reading


def read(path: Path) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def by_name(path: Path) -> str:
    return str(path)


@pytest.mark.parametrize("path", CODE, ids=by_name)
def test_a_module_opens_with_what_it_is_about(path):
    said = ast.get_docstring(ast.parse(read(path)))
    is_migration = "versions" in path.parts
    assert said or is_migration


@pytest.mark.parametrize("path", CODE, ids=by_name)
def test_every_module_has_a_name(path):
    assert path.stem not in NAMELESS


@pytest.mark.parametrize("path", [each for each in CODE if each != TRANSACTIONS], ids=by_name)
def test_nobody_commits_but_the_transaction_itself(path):
    calls = [
        node.lineno
        for node in ast.walk(ast.parse(read(path)))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "commit"
        and ast.unparse(node.func.value) != "super()"  # a connection's own, passed on
    ]
    assert not calls


def test_the_code_was_found():
    assert len(CODE) > 30
