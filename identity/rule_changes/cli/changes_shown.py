"""Prints changes of rules."""

from collections.abc import Iterator, Sequence
from typing import Any

import click

from identity.command.printing import print_facts, print_json, print_message, readable_time
from identity.rule_changes import warnings

from .publishing import EFFECTS


def told(described: dict[str, Any], what: str, *, dry_run: bool) -> None:
    """Print what became of a change: as JSON, or its name, and what was done."""
    if not print_json(described | {"dry_run": dry_run}):
        click.echo(described["id"])
    if dry_run:
        print_message(f"{described['id']} would do: it {what}. Nothing was written.")
    else:
        print_message(f"{described['id']} {what}.")


def print_change(described: dict[str, Any]) -> None:
    """Print a change without its lines."""
    print_facts(_facts(described))
    counts = described["check"]["counts"]
    if counts:
        click.echo(f"Effect on {counts.get('known', 0)} known addresses in reach:")
    for field, label in EFFECTS:
        if counts.get(field):
            approved = described["promised"].get(field)
            more = f" ({approved} were approved)" if field in described["worse"] else ""
            click.echo(f"  {counts[field]:>7}  {label}{more}")
    for warning in described["check"]["warnings"]:
        click.echo(f"! {_warned(warning)}")
    if described["check"]["ended_at"]:
        check = described["check"]
        click.echo(f"Look-alikes: {_up_to(check['look_alikes'])}; ", nl=False)
        click.echo(f"rules of which narrower ones take a part: {_up_to(check['shadowed'])}")


def print_lines(lines: Sequence[dict[str, Any]], *, of: int) -> None:
    """Print lines of a change: + adds a rule, ~ changes one, - removes one, = is so already."""
    for line in lines:
        rule = line["will"] or line["now"] or {}
        target = rule.get("homeserver") or rule.get("sibling_of") or ""
        said = f"{line['sign']} {line['name']}  {rule.get('account_class', '')} → {target}"
        click.echo(said if rule else f"{line['sign']} {line['name']}")
    if len(lines) < of:
        click.echo(f"… and {of - len(lines)} more (-v shows them)")


def _facts(described: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "change", f"{described['id']} {described['title']}"
    state = described["state"].replace("_", " ")
    why = f": {described['why']}" if described["why"] else ""
    yield "state", f"{state}{why}"
    yield "by", described["author"]
    if described["reason"]:
        yield "reason", described["reason"]
    check = described["check"]
    if described["state"] == "checking":
        yield "counted", f"{check['done']} of {check['total'] or '?'}"
    if check["ended_at"]:
        yield "checked", f"{readable_time(check['ended_at'])}, on revision {described['base']}"
    for name in ("proposed", "approved", "applied"):
        if deed := described[name]:
            yield name, f"{readable_time(deed['at'])} by {deed['by']}"
    if described["due_at"]:
        yield "due", readable_time(described["due_at"])
    if described["revision"]:
        yield "revision", str(described["revision"])
    if glass := described["without_approval"]:
        yield "without approval", f"{readable_time(glass['at'])}: {glass['reason']}"
        reviewed = glass["reviewed"]
        yield "reviewed", f"by {reviewed['by']}" if reviewed else "not yet"


def _warned(warning: dict[str, Any]) -> str:
    if warning.get("state") == warnings.SLOW:
        return f"the homeserver {warning['homeserver']} took {warning['milliseconds']} ms to answer"
    if warning.get("state") == warnings.NO_ANSWER:
        return f"the homeserver {warning['homeserver']} did not answer"
    if warning["kind"] == "homeserver":
        return f"the homeserver {warning['homeserver']} is {warning['state']}"
    if warning["kind"] == "look_alike":
        return f"{warning['domain']} looks like {warning['like']}, which is open"
    if warning["kind"] == "shadowed":
        example = f", as {warning['for_example']}" if warning["for_example"] else ""
        return f"{warning['by']} narrower rules take their part out of {warning['rule']}{example}"
    return ", ".join(f"{name}: {value}" for name, value in warning.items())


def _up_to(number: int) -> str:
    return f"{number} or more" if number >= warnings.MAX_NAMED else str(number)
