"""`guichet node list`: the processes of Guichet on all machines."""

from typing import Any

import click

from identity.command.opening import open_services
from identity.command.printing import (
    as_json,
    print_json,
    print_message,
    print_table,
    readable_time,
)
from identity.core import nodes
from identity.health.faults import find_faults
from identity.health.heartbeat import measure_offset
from identity.health.views import describe_node, of_interest


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
        shown = [describe_node(each, now) for each in of_interest(nodes.find_all(session), now)]
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
