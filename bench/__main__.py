"""Runs the suites, prints a table, and writes bench/results.json.

A word picks the suites it is part of the name of, or single rows of a suite that results.json knows.
"""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from . import (
    changes,
    commands,
    console as console_screens,
    decisions,
    http,
    installation,
    lists,
    load,
    lookups,
    mail_rates,
    mails,
    modules,
    orders,
    passwords,
    plans,
    probes,
    publishing,
    scale,
    web_processes,
)
from .rows import ROUNDS, Row

RESULTS = Path(__file__).with_name("results.json")
SUITES: dict[str, Callable[[], Iterator[Row]]] = {
    # These share one installation, which is filled once.
    "http versions": http.versions,
    "http hash_details": http.hash_details,
    "http info": http.info,
    "http requestToken": orders.request_token,
    "http store-invite": orders.store_invite,
    "http lookups": lookups.measure,
    "plans": plans.measure,
    "web memory": web_processes.memory,
    "web start": web_processes.start,
    "web revisions": web_processes.revisions,
    # These stand alone.
    "changes": changes.measure,
    "commands": commands.measure,
    "console": console_screens.measure,
    "decisions": decisions.measure,
    "lists": lists.measure,
    "mail rates": mail_rates.measure,
    "mails": mails.measure,
    "modules": modules.measure,
    "passwords": passwords.measure,
    "probes": probes.measure,
    "publishing": publishing.measure,
    "scale": scale.measure,
}
ON_DEMAND = {"scale"}  # takes most of an hour, so it runs only when it is named whole
Results = dict[str, Any]


def main(words: list[str]) -> int:
    """Run what is wanted. Return the exit status: 1 if a figure misses its bound."""
    # As Ctrl-C: whatever ends the bench, its servers end with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    wanted = choose(words, results)
    began, load_before = time.monotonic(), os.getloadavg()
    rows: list[Row] = []
    failed = False
    try:
        for name in wanted:
            console.print(f"{name} …", style="dim")
            try:
                found = _measure(name, results)
            except (Exception, SystemExit):  # noqa: BLE001  the others are measured all the same
                console.print_exception(max_frames=4)
                failed = True
            else:
                wanted_rows = [row for row in found if is_wanted(words, name, row.name)]
                rows += wanted_rows
                _tell(console, wanted_rows)
    except KeyboardInterrupt:
        console.print("interrupted: what was measured until then follows")
        failed = True
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # it ends already, and leaves nothing behind
        installation.close()
    _show(console, rows)
    minutes = (time.monotonic() - began) / 60
    console.print(
        f"{_commit()}, {os.cpu_count()} cores, load {_told(load_before)} before and {_told(os.getloadavg())}"
        f" after, {minutes:.1f} minutes"
    )
    return 0 if not failed and all(row.is_reached for row in rows) else 1


def choose(words: Collection[str], results: Mapping[str, Any]) -> list[str]:
    """The suites these words pick; all without a word. Raises SystemExit for one that picks none."""
    usual = SUITES.keys() - ON_DEMAND
    chosen = set(usual if not words else ())
    for word in words:
        found = {
            name
            for name in usual
            if is_wanted([word], name)
            or any(is_wanted([word], name, row["name"]) for row in _rows(results, name))
        } | (ON_DEMAND & {word})
        if not found:
            raise SystemExit(f"“{word}” is in the name of no suite and no row. {_suites()}")
        chosen |= found
    return [name for name in SUITES if name in chosen]


def is_wanted(words: Collection[str], suite: str, row: str = "") -> bool:
    """Whether a word is part of the name of the suite or of the row."""
    return not words or any(
        word.casefold() in name.casefold() for word in words for name in (suite, row)
    )


def _measure(name: str, results: Results) -> list[Row]:
    """Run a suite and keep its rows in `results` and in the file; other suites keep theirs."""
    before, began = os.getloadavg(), time.monotonic()
    rows = list(SUITES[name]())
    results[name] = {
        "commit": _commit(),
        "machine": {
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "load": [before[0], os.getloadavg()[0]],
            "seconds": round(time.monotonic() - began),
        },
        "rows": [asdict(row) | {"reached": row.is_reached} for row in rows],
    }
    if load.rounds != ROUNDS:
        return rows
    known = {each: results[each] for each in sorted(results) if each in SUITES}
    RESULTS.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n")
    return rows


def _show(console: Console, rows: list[Row]) -> None:
    table = Table("what", "measured", "must", "", box=None, pad_edge=False)
    for row in rows:
        mark = "" if not row.must else "yes" if row.is_reached else "NO"
        table.add_row(row.name, f"{row.value:,.2f} {row.unit}", row.must, mark)
    console.print(table)


def _tell(console: Console, rows: list[Row]) -> None:
    """Print what stands behind the figures of a suite, as soon as it has run."""
    for row in rows:
        if row.detail:
            console.print(f"{row.name}: {row.detail}", style="dim", soft_wrap=True)


def _rows(results: Mapping[str, Any], suite: str) -> list[Mapping[str, Any]]:
    return results[suite]["rows"] if suite in results else []


def _commit() -> str:
    """What git calls the code that runs; `-dirty` if it is not as committed."""
    command = ["git", "describe", "--always", "--dirty"]
    said = subprocess.run(command, cwd=RESULTS.parent, capture_output=True, text=True, check=False)
    return said.stdout.strip() or "not of git"


def _told(load: tuple[float, float, float]) -> str:
    return f"{load[0]:.1f}"


def _suites() -> str:
    return f"Suites: {', '.join(SUITES)}."


if __name__ == "__main__":
    parser = argparse.ArgumentParser("python -m bench", description=__doc__, epilog=_suites())
    parser.add_argument("word", nargs="*", help="part of the name of a suite or of a row")
    parser.add_argument(
        "--rounds",
        type=int,
        default=ROUNDS,
        help="of each load; with fewer, for a first look, results.json is not written",
    )
    given = parser.parse_args()
    load.rounds = given.rounds
    sys.exit(main(given.word))
