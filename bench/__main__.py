"""Run every row, print a table, write bench/results.json."""

import json
import os
import platform
import sys
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from . import decisions, http, lookups
from .rows import Row

RESULTS = Path(__file__).with_name("results.json")
SUITES = {"decisions": decisions.measure, "http": http.measure, "lookups": lookups.measure}


def main(wanted: list[str]) -> int:
    console = Console()
    rows = []
    for name in wanted or SUITES:
        console.print(f"{name} …", style="dim")
        rows += SUITES[name]()
    _show(console, rows)
    machine = {"cores": os.cpu_count(), "python": platform.python_version()}
    facts = [asdict(row) | {"reached": row.is_reached} for row in rows]
    RESULTS.write_text(
        json.dumps({"machine": machine, "rows": facts}, indent=1, ensure_ascii=False) + "\n"
    )
    return 0 if all(row.is_reached for row in rows) else 1


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
