"""Runs a suite once more with the code of an older checkout, for its figures of before.

Suites over HTTP ask both in turn. Those that run Guichet inside their own process cannot: they run
again, in the older one's interpreter and with its packages, right after they ran here. It is this
bench that measures both, with these `tests`.
"""

import importlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from . import rows
from .rows import Row

ROOT = Path(__file__).parents[1]
OURS = ("bench", "tests")


def with_before(found: Iterable[Row], before: Mapping[str, float]) -> list[Row]:
    """The rows with their figures of before, by their names; None where there is none."""
    return [replace(row, before=before.get(row.name)) for row in found]


def run(suite: str, tree: Path) -> dict[str, float]:
    """The figures of a suite, given as the name of its module, by the names of their rows.

    None of them if the older code does not do what the suite asks; why stands in the output.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="guichet-bench-")))
        for each in (*(ROOT / name for name in OURS), *tree.iterdir()):
            if not each.name.startswith(".") and not (folder / each.name).exists():
                (folder / each.name).symlink_to(each)
        done = subprocess.run(
            [tree / ".venv" / "bin" / "python", "-m", __name__, suite, str(rows.rounds)],
            env=os.environ | {"PYTHONPATH": str(folder)},
            cwd=folder,
            check=False,
            stdout=subprocess.PIPE,
            text=True,
        )
    # Commands may say something before; the rows are the last line.
    return dict(json.loads(done.stdout.splitlines()[-1])) if done.returncode == 0 else {}


def _know_older_names() -> None:
    """Until the end of November 2026, what upgrades was the package itself."""
    migrations = importlib.import_module("identity.migrations")
    if hasattr(migrations, "upgrade"):
        sys.modules["identity.migrations.upgrading"] = migrations
        vars(migrations)["upgrading"] = migrations


if __name__ == "__main__":
    _, name, rounds = sys.argv
    rows.rounds = int(rounds)
    _know_older_names()
    module = importlib.import_module(f"{__package__}.{name}")
    print(json.dumps({row.name: row.value for row in module.measure()}))
