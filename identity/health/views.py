"""What is told of findings, processes and lanes: one dictionary for commands, API and console."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from identity.core.findings import sentences
from identity.core.nodes import GONE_AFTER, Node
from identity.core.outbox import Lane
from identity.core.waiting_jobs import Depth
from identity.translations import MissingText, texts

from .finding_models import HealthFinding


def describe_finding(row: HealthFinding) -> dict[str, Any]:
    """What doctor found, as `guichet doctor --json` prints it, and when.

    `code` and `values`: for who says it in another language; "" from an older version.
    """
    return {
        "what": row.what,
        "state": row.state,
        "told": row.told,
        "fix": row.fix,
        "code": row.code,
        "values": row.told_of,
        "found_at": row.found_at.isoformat(timespec="seconds"),
    }


def say_finding(told: Mapping[str, Any], language: str) -> dict[str, Any]:
    """A described finding in a language, with `said_in`: the language in which it can be said.

    What a process of another version found, or what has no code, is said in English.
    """
    try:
        said, fix = sentences(told["code"], told["values"], language)
        said_in = language
    except (MissingText, KeyError):
        said, fix, said_in = told["told"], told["fix"], "en"
    return {**told, "what": _name(told["what"], language), "told": said, "fix": fix} | {
        "said_in": said_in
    }


def _name(what: str, language: str) -> str:
    """What a finding is about: one of our words, or the name of a homeserver."""
    try:
        return texts(language).gettext(f"finding.what.{what.lower().replace(' ', '_')}")
    except MissingText:
        return what


def describe_lanes(depths: Iterable[Depth]) -> list[dict[str, Any]]:
    """How many jobs wait in each lane, up to 10,000 of a kind, and the delay of the oldest due one."""
    found = list(depths)
    return [
        {
            "lane": str(lane),
            "jobs": sum(each.jobs for each in found if each.lane == lane),
            "overdue_seconds": max(
                (round(each.overdue_seconds) for each in found if each.lane == lane), default=0
            ),
        }
        for lane in Lane
    ]


def of_interest(found: Sequence[Node], now: datetime) -> Iterator[Node]:
    """The processes that run, and those that are gone and have no successor on their machine."""
    running = {(each.kind, each.host) for each in found if is_running(each, now)}
    for each in found:
        if is_running(each, now) or (each.kind, each.host) not in running:
            yield each


def is_running(each: Node, now: datetime) -> bool:
    """Whether a process was seen lately."""
    return now - each.seen_at < GONE_AFTER


def describe_node(each: Node, now: datetime) -> dict[str, Any]:
    """A process, as `guichet node list --json` prints it."""
    return {
        "kind": each.kind,
        # Version 0.1.0 has the machine in the id alone.
        "host": each.host or each.node_id.partition(":")[0],
        "id": each.node_id,
        "state": "running" if is_running(each, now) else "gone",
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
