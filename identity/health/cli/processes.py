"""Checks of `guichet doctor` for the processes of Guichet, and `guichet node list`."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import click
from sqlalchemy.orm import Session

from identity.command.findings import Finding, State
from identity.command.opening import open_services
from identity.command.printing import (
    as_json,
    print_json,
    print_message,
    print_table,
    readable_time,
)
from identity.core import nodes
from identity.core.nodes import GONE_AFTER, Node
from identity.health.faults import MAX_OFFSET, FaultName, find_faults
from identity.health.heartbeat import measure_offset
from identity.services import Services

# What doctor looks at by itself, in more detail.
ELSEWHERE = {FaultName.OUTBOX, FaultName.RELAY}


def check_processes(services: Services, session: Session) -> Iterator[Finding]:
    """Report what is wrong with the processes, the timetable and the last mails."""
    offset = measure_offset(services, session)
    services.clock_offset.value = offset
    if abs(offset) > MAX_OFFSET:
        told = f"it differs from the database's by {offset.total_seconds():+.1f} s"
        fix = "let both machines keep time by NTP (timedatectl)"
        yield Finding("this clock", State.ATTENTION, told, fix)
    now = services.database_now()
    found = [each for each in find_faults(session, now) if each.name not in ELSEWHERE]
    for fault in found:
        # At home nobody waits for a worker that is not started.
        failed = fault.is_failure and not services.settings.is_embedded
        state = State.FAILED if failed else State.ATTENTION
        yield Finding(fault.name, state, fault.told, fault.fix)
    kinds = Counter(each.kind for each in nodes.find_alive(session, now))
    if kinds and not found:
        told = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
        yield Finding("processes", State.OK, told)


@click.group()
def node() -> None:
    """See the processes of Guichet on all machines."""


@node.command("list")
@click.option("--keys", is_flag=True, help="Show the fingerprints of their keys.")
@as_json
def list_(*, keys: bool) -> None:
    """List every process that was seen within a day: web, internal, worker and scheduler.

    Each reports itself every ten seconds. One that ends well is taken off the list; one that
    was not seen for 30 seconds is shown as gone, unless another of its kind is running on the
    same machine.

    \b
    JSON: [{"kind", "host", "id", "state": "running" or "gone", "started_at", "seen_at": time,
            "version", "schema": text, "rules_revision": number or null,
            "clock_offset_seconds": number, "lanes": [text], "faults": [text],
            "keys": {set: [fingerprint]}}]
    """  # noqa: D301  \b is click's: keep these lines
    with open_services() as services, services.database.reading() as session:
        services.clock_offset.value = measure_offset(services, session)
        now = services.database_now()
        shown = [_described(each, now) for each in _of_interest(nodes.find_all(session), now)]
        faults = list(find_faults(session, now))
    if print_json(shown):
        return
    if keys:
        print_table(
            ("kind", "machine", "keys", "fingerprints"),
            (
                (each["kind"], each["host"], name, " ".join(found))
                for each in shown
                for name, found in each["keys"].items()
            ),
        )
        return
    columns = ("kind", "machine", "", "last seen", "since", "version", "rules", "clock", "lanes")
    print_table(columns, (_row(each) for each in shown))
    for fault in faults:
        end = "" if fault.told.endswith("?") else "."
        print_message(f"{fault.told}{end} What mends it: {fault.fix}")


def _of_interest(found: Sequence[Node], now: datetime) -> Iterator[Node]:
    running = {(each.kind, each.host) for each in found if _is_running(each, now)}
    for each in found:
        if _is_running(each, now) or (each.kind, each.host) not in running:
            yield each


def _is_running(each: Node, now: datetime) -> bool:
    return now - each.seen_at < GONE_AFTER


def _described(each: Node, now: datetime) -> dict[str, Any]:
    return {
        "kind": each.kind,
        # Version 0.1.0 has the machine in the id alone.
        "host": each.host or each.node_id.partition(":")[0],
        "id": each.node_id,
        "state": "running" if _is_running(each, now) else "gone",
        "started_at": each.started_at,
        "seen_at": each.seen_at,
        "version": each.version or "0.1.0",
        "schema": each.schema,
        "rules_revision": each.rules_revision,
        "clock_offset_seconds": each.offset.total_seconds(),
        "lanes": each.lanes.split(",") if each.lanes else [],
        "faults": each.faults.split(",") if each.faults else [],
        "keys": each.keys,
    }


def _row(each: dict[str, Any]) -> list[str]:
    revision = each["rules_revision"]
    return [
        each["kind"],
        each["host"],
        each["state"],
        readable_time(each["seen_at"]),
        readable_time(each["started_at"]) if each["started_at"] else "",
        each["version"],
        "" if revision is None else str(revision),
        f"{each['clock_offset_seconds']:+.3f} s",
        " ".join(each["lanes"]),
    ]
