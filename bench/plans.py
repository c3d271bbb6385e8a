"""Keeps the plan of every statement of a hot request at 1,000,000 associations, in bench/plans.txt.

PostgreSQL itself explains what it is asked (auto_explain), so the plans are those of the statements
that requests really send, with their parameters and the rows they met.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import rows
from .http import INFO, LATE
from .installation import MANY, Installation, installation, token_of
from .load import Load, Request, Target, write
from .lookups import asked_of
from .orders import code_for, invitation_by
from .rows import ROUNDS, Row

KEPT = Path(__file__).with_name("plans.txt")
WARM = 6  # requests before the one that counts: psycopg prepares a statement that comes again
SCANNED = 1_000  # rows that a statement may read one after the other
MOST = {"requestToken": 6, "store-invite": 6}
Explained = tuple[str, dict[str, Any]]
"""A statement and its plan, as PostgreSQL tells it in JSON."""

LOGGED = re.compile(r"LOG:  duration: [\d.]+ ms  plan:\n((?:\t.*\n)+)")


def measure() -> Iterator[Row]:
    """Run the suite."""
    servers = installation()
    found: dict[str, list[Explained]] = {}
    with servers.explained(MANY) as (target, log):
        for name, asked in _hot(servers):
            found[name] = _explained(target, log, asked)
    if rows.rounds == ROUNDS:
        told = [
            [f"{name}: {statement}", *show(plan), ""]
            for name, plans in found.items()
            for statement, plan in plans
        ]
        KEPT.write_text("\n".join(line for each in told for line in each), encoding="utf-8")
    for name, plans in found.items():
        at_most = MOST.get(name)
        yield Row(f"statements of {name}", len(plans), "", at_most=at_most)
    scans = [
        f"{name}: {each}"
        for name, plans in found.items()
        for _, plan in plans
        for each in long_scans(plan)
    ]
    yield Row(
        f"scans of more than {SCANNED:,} rows in hot statements",
        len(scans),
        "",
        at_most=0,
        detail="; ".join(scans),
    )


def read_plans(log: str) -> list[Explained]:
    """The statements and their plans of PostgreSQL's log, in their order."""
    found = [json.loads(each.replace("\t", "")) for each in LOGGED.findall(log)]
    return [(" ".join(each["Query Text"].split()), each["Plan"]) for each in found]


def show(plan: dict[str, Any], depth: int = 1) -> Iterator[str]:
    """A line for each step of a plan: what it reads, by which index, and how many rows."""
    what = [plan["Node Type"]]
    what += [f"on {plan['Relation Name']}"] if "Relation Name" in plan else []
    what += [f"by {plan['Index Name']}"] if "Index Name" in plan else []
    rows = f"{plan['Actual Rows']} rows, {plan['Actual Loops']} times"
    yield f"{'  ' * depth}{' '.join(what)}: {rows}"
    for each in plan.get("Plans", ()):
        yield from show(each, depth + 1)


def long_scans(plan: dict[str, Any]) -> Iterator[str]:
    """The tables that a plan reads row by row, more than SCANNED of them."""
    read = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
    if plan["Node Type"] == "Seq Scan" and read * plan["Actual Loops"] > SCANNED:
        yield f"{plan['Relation Name']} ({read * plan['Actual Loops']:,} rows)"
    for each in plan.get("Plans", ()):
        yield from long_scans(each)


def _hot(servers: Installation) -> Iterator[tuple[str, Path]]:
    for name, request in (
        ("hash_details", Request("GET", "/_matrix/identity/v2/hash_details", token_of(1))),
        ("/info", Request("GET", INFO + LATE)),
        ("requestToken", code_for(1)),
        ("store-invite", invitation_by(1)),
    ):
        yield name, write(servers.folder / f"explained {name.strip('/')}", [request])
    for hashes in (1, 1_000):
        yield f"lookup of {hashes:,}", asked_of(hashes, MANY)


def _explained(target: Target, log: Path, asked: Path) -> list[Explained]:
    load = Load(target, asked)
    for _ in range(WARM):
        load.ask_once()
    begin = log.stat().st_size
    load.ask_once()
    with log.open("rb") as lines:
        lines.seek(begin)
        return read_plans(lines.read().decode())
