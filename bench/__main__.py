"""Runs all suites or those named, prints a table, writes bench/results.json."""

import json
import os
import platform
import sys
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from . import (
    changes,
    console as console_screens,
    decisions,
    http,
    lists,
    lookups,
    mails,
    modules,
    passwords,
    probes,
)
from .rows import Row

RESULTS = Path(__file__).with_name("results.json")
SUITES = {
    "changes": changes.measure,
    "console": console_screens.measure,
    "decisions": decisions.measure,
    "http": http.measure,
    "lists": lists.measure,
    "lookups": lookups.measure,
    "mails": mails.measure,
    "modules": modules.measure,
    "passwords": passwords.measure,
    "probes": probes.measure,
}


def main(wanted: list[str]) -> int:
    """Run these suites, or all. Return the exit status: 1 if a figure misses its bound."""
    console = Console()
    measured: dict[str, list[Row]] = {}
    for name in wanted or SUITES:
        console.print(f"{name} …", style="dim")
        measured[name] = list(SUITES[name]())
    rows = [row for found in measured.values() for row in found]
    _show(console, rows)
    _save(measured)
    return 0 if all(row.is_reached for row in rows) else 1


def _save(measured: dict[str, list[Row]]) -> None:
    """Write the results; suites that were not run keep their previous ones."""
    machine = {"cores": os.cpu_count(), "python": platform.python_version()}
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name, rows in measured.items():
        facts = [asdict(row) | {"reached": row.is_reached} for row in rows]
        results[name] = {"machine": machine, "rows": facts}
    RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")


def _show(console: Console, rows: list[Row]) -> None:
    table = Table("what", "measured", "must", "", box=None, pad_edge=False)
    for row in rows:
        mark = "yes" if row.is_reached else "NO"
        table.add_row(row.name, f"{row.value:,.2f} {row.unit}", row.must, mark)
    console.print(table)
    for row in rows:
        if row.detail:
            console.print(f"{row.name}: {row.detail}", style="dim", soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
