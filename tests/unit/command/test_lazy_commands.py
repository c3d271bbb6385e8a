"""A command loads what it needs: help loads nothing, and what is loaded alone is whole."""

import gc
import subprocess
import sys

import pytest
from click.testing import CliRunner

from identity.cli.commands import COMMANDS, guichet
from identity.cli.lazy import Later
from identity.core.loaded_once import kept_for_good
from tests.services.processes import ROOT

AROUND = """
import sys
from identity.cli.commands import guichet
heavy = {"sqlalchemy", "flask", "celery", "requests", "pydantic", "alembic", "redis", "rich", "dns"}
heavy |= {"psycopg", "cryptography", "nacl", "webauthn", "babel"}
try:
    guichet(sys.argv[1:], prog_name="guichet")
finally:
    print(*sorted(heavy & sys.modules.keys()), file=sys.stderr)
"""
ALONE = """
import os, sys
import identity.core.database as database
from identity.cli.commands import COMMANDS
from sqlalchemy.orm import configure_mappers
for name, command in COMMANDS.items():
    if not command.all_tables and os.fork() == 0:  # each by itself, on what all stand on
        try:
            command.load()
            configure_mappers()
            for table in database.Base.metadata.tables.values():
                for key in table.foreign_keys:
                    key.column  # raises if what it refers to is not known
            print(name)
        except Exception as error:
            print(name, error)
        sys.stdout.flush()
        os._exit(0)
"""


def python(code: str, *words: str, folder, **more: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    env |= {"GUICHET_DATA_DIR": str(folder), "GUICHET_ENV_FILE": "", **more}
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("words", [("--help",), ("--version",), ("nonsense",)], ids=str)
def test_what_every_command_begins_with_loads_none_of_them(words, tmp_path):
    assert python(AROUND, *words, folder=tmp_path).stderr.splitlines()[-1] == ""


def test_completion_names_all_commands_and_loads_none(tmp_path):
    asked = {"_GUICHET_COMPLETE": "bash_complete", "COMP_WORDS": "guichet ", "COMP_CWORD": "1"}
    done = python(AROUND, folder=tmp_path, **asked)
    assert done.stdout.split() == [f"plain,{name}" for name in COMMANDS]
    assert done.stderr == "\n"


def test_who_asks_about_one_address_loads_no_clients_and_no_migrations(tmp_path):
    python(AROUND, "address", "explain", "ana@x.example", folder=tmp_path)  # makes the database
    done = python(AROUND, "address", "explain", "ana@x.example", folder=tmp_path)
    assert "nobody" in done.stdout
    assert sorted(done.stderr.splitlines()[-1].split()) == ["pydantic", "sqlalchemy"]


def test_the_collector_passes_over_what_was_imported():
    with kept_for_good():
        assert not gc.isenabled()
        before, made = gc.get_freeze_count(), [[] for _ in range(1_000)]
    assert gc.isenabled()
    assert gc.get_freeze_count() >= before + len(made)
    gc.unfreeze()


def test_each_command_alone_knows_the_tables_that_its_own_refer_to(tmp_path):
    done = python(ALONE, folder=tmp_path)
    assert sorted(done.stdout.split()) == ["address", "config", "web"], done.stdout


def test_nobody_looks_for_columns_where_some_tables_are_not_known(tmp_path):
    code = "from identity.core.database import marked_columns; marked_columns({})"
    assert "RuntimeError: identity.tables is not imported" in python(code, folder=tmp_path).stderr


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_help_says_of_a_command_what_it_says_of_itself(name):
    named = Later(COMMANDS[name].target, COMMANDS[name].help)
    loaded = guichet.load(name)
    assert loaded.name == name
    assert not loaded.hidden
    for length in (45, 1000):
        assert named.get_short_help_str(length) == loaded.get_short_help_str(length)


def test_all_commands_are_named_in_order():
    assert list(COMMANDS) == sorted(COMMANDS)
    helped = CliRunner().invoke(guichet, ["--help"]).output
    assert all(f"\n  {name} " in helped for name in COMMANDS)
