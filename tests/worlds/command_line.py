"""The command line over an embedded database of its own."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from identity.cli.commands import guichet
from identity.core.database import Database, make_engine

EDUCATION = "education.example"
GUESTS = "guests.example"


@dataclass
class CommandLine:
    """Runs commands as an operator would, and insists on how they end."""

    folder: Path

    def __call__(self, *words: str, ends: int = 0, env: dict[str, str] | None = None) -> Result:
        runner = CliRunner(env={"GUICHET_DATA_DIR": str(self.folder), **(env or {})})
        result = runner.invoke(guichet, words)
        assert isinstance(result.exception, SystemExit | None), result.exception
        assert result.exit_code == ends, result.output
        return result

    def json(self, *words: str, ends: int = 0) -> Any:
        return json.loads(self(*words, "--json", ends=ends).stdout)

    def file(self, name: str, content: str | bytes) -> str:
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)


@pytest.fixture
def run(sqlite_url, tmp_path, monkeypatch) -> CommandLine:
    monkeypatch.chdir(tmp_path)  # no .env of this checkout
    return CommandLine(tmp_path)


@pytest.fixture
def federation(run) -> CommandLine:
    """With a homeserver for agents and one for guests, and so a default rule: revision 1."""
    run("homeserver", "add", EDUCATION, "--url", "https://matrix.education.example")
    run("homeserver", "add", GUESTS, "--url", "https://matrix.guests.example", "--guests")
    return run


@pytest.fixture
def opened(sqlite_url) -> Iterator[Database]:
    """The database of `run`, to see what became of it."""
    database = Database(make_engine(sqlite_url))
    yield database
    database.engine.dispose()
