"""Runs the suites, prints a table, and writes bench/results.json.

A word picks the suites it is part of the name of, or single rows of a suite that results.json knows.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from rich.console import Console

from . import (
    changes,
    commands,
    console as console_screens,
    decisions,
    http,
    installation,
    list_rows,
    lists,
    lookups,
    machine,
    mail_rates,
    mails,
    modules,
    nights,
    older,
    orders,
    passwords,
    plans,
    probes,
    publishing,
    rows as figures,
    scale,
    tables,
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
    "list rows": list_rows.measure,
    "mail rates": mail_rates.measure,
    "mails": mails.measure,
    "modules": modules.measure,
    "nights": nights.measure,
    "passwords": passwords.measure,
    "probes": probes.measure,
    "publishing": publishing.measure,
    "scale": scale.measure,
}
# A minute to an hour each, for what no target asks: these run only when they are named whole.
ON_DEMAND = {"changes", "console", "mails", "passwords", "scale"}
# What runs Guichet in the bench's own process or as commands: once more in an older checkout.
RUN_AGAIN = {
    "commands": "commands",
    "mail rates": "mail_rates",
    "probes": "probes",
    "publishing": "publishing",
}
Results = dict[str, Any]


def main(words: list[str], beside: Path | None = None) -> int:
    """Run what is wanted. Return the exit status: 1 if a figure misses its bound.

    `beside`: an older checkout that is measured too.
    """
    # As Ctrl-C: whatever ends the bench, its servers end with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    wanted = choose(words, results)
    installation.beside = beside
    began = time.monotonic()
    rows: list[Row] = []
    machines: dict[str, Mapping[str, Any]] = {}
    failed = False
    try:
        for name in wanted:
            console.print(f"{name} …", style="dim")
            try:
                found = _measure(name, results, beside)
            except (Exception, SystemExit):  # noqa: BLE001  the others are measured all the same
                console.print_exception(max_frames=4)
                failed = True
            else:
                machines[name] = results[name]["machine"]
                wanted_rows = [row for row in found if is_wanted(words, name, row.name)]
                rows += wanted_rows
                tables.tell(console, wanted_rows)
    except KeyboardInterrupt:
        console.print("interrupted: what was measured until then follows")
        failed = True
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # it ends already, and leaves nothing behind
        installation.close()
    tables.show_rows(console, rows)
    tables.show_machine(console, machines)
    minutes = (time.monotonic() - began) / 60
    told = f", beside {_commit(beside)}" if beside else ""
    console.print(f"{_commit()}{told}, {os.cpu_count()} cores, {minutes:.1f} minutes")
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


def _measure(name: str, results: Results, beside: Path | None) -> list[Row]:
    """Run a suite and keep its rows in `results` and in the file; other suites keep theirs."""
    with machine.watched() as watched:
        rows = list(SUITES[name]())
        if beside and name in RUN_AGAIN:
            rows = older.with_before(rows, older.run(RUN_AGAIN[name], beside))
    results[name] = {
        "commit": _commit(),
        **({"before": _commit(beside)} if beside else {}),
        "machine": watched | {"quiet": machine.is_quiet(watched)},
        "rows": [asdict(row) | {"reached": row.is_reached} for row in rows],
    }
    if figures.rounds != ROUNDS:
        return rows
    known = {each: results[each] for each in sorted(results) if each in SUITES}
    RESULTS.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n")
    return rows


def _rows(results: Mapping[str, Any], suite: str) -> list[Mapping[str, Any]]:
    return results[suite]["rows"] if suite in results else []


@cache  # what is measured meanwhile makes it dirty
def _commit(tree: Path = RESULTS.parent) -> str:
    """What git calls the code that runs; `-dirty` if it is not as committed."""
    command = ["git", "describe", "--always", "--dirty"]
    said = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    return said.stdout.strip() or "not of git"


def _suites() -> str:
    return f"Suites: {', '.join(SUITES)}."


def _checkout(text: str) -> Path:
    """A checkout of Guichet with its own environment."""
    tree = Path(text).resolve()
    if not (tree / ".venv" / "bin" / "guichet").exists():
        raise argparse.ArgumentTypeError(f"{tree} has no .venv: make .venv/.test there")
    return tree


if __name__ == "__main__":
    parser = argparse.ArgumentParser("python -m bench", description=__doc__, epilog=_suites())
    parser.add_argument("word", nargs="*", help="part of the name of a suite or of a row")
    parser.add_argument(
        "--rounds",
        type=int,
        default=ROUNDS,
        help="of each load; with fewer, for a first look, results.json is not written",
    )
    parser.add_argument(
        "--beside",
        type=_checkout,
        metavar="PATH",
        help="another checkout, with its own .venv, whose figures stand beside as those of before",
    )
    given = parser.parse_args()
    figures.rounds = given.rounds
    sys.exit(main(given.word, given.beside))
