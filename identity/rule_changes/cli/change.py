"""`guichet change`: changes of rules that are prepared, checked, approved and applied."""

from pathlib import Path
from typing import Any

import click

from domain_rules.rule import RuleKind
from identity.command import words
from identity.command.files import FILE, read_text
from identity.command.labels import CHANGE
from identity.command.opening import author_here, change_options, changing, open_services
from identity.command.printing import (
    as_json,
    print_json,
    print_message,
    print_table,
    readable_time,
)
from identity.homeservers import rules_held
from identity.rule_changes import changes, files, views
from identity.rule_changes.change_models import Change, ChangeState, Origin
from identity.rule_changes.service import Key

from .change_moves import abandon, apply, check, propose, return_, rollback, schedule
from .changes_shown import print_change, print_lines, told
from .files import ending_of, read_file
from .import_ import of_lists_options, read_of_lists, tell_lines
from .rule_options import check_rule_options, read_pattern, rule_of, rule_options, suffix

PAGE = 200


@click.group()
def change() -> None:
    """Changes of rules: draft, check, proposal, approval by another person, application.

    Nobody approves by command: that is done in the console, with a second factor.
    """


for command in (check, propose, return_, schedule, apply, rollback, abandon):
    change.add_command(command)


@change.command(name="list")
@click.option(
    "--state",
    "states",
    type=click.Choice([str(state) for state in ChangeState]),
    multiple=True,
    help="Only in this state; several times for several.",
)
@click.option(
    "--limit", type=click.IntRange(1, PAGE), default=20, show_default=True, help="At most so many."
)
@as_json
def list_(*, states: tuple[str, ...], limit: int) -> None:
    """List changes, the newest first.

    \b
    JSON: [{"id", "title", "state", "origin", "author": text, "number", "lines": number,
            "changed_at": time, "due_at": time or null, "revision": number or null,
            "waits_for_review": boolean}]
    """  # noqa: D301  \b is click's: keep these lines
    wanted = [ChangeState(state) for state in states]
    with open_services() as services, services.database.reading() as session:
        page = changes.find_changes(session, states=wanted, limit=limit)
        shown = [views.describe_short(each) for each in page.items]
    if print_json(shown):
        return
    print_table(
        ("change", "state", "lines", "changed", "by", "title"),
        (
            (
                each["id"],
                each["state"].replace("_", " "),
                str(each["lines"]),
                readable_time(each["changed_at"]),
                each["author"],
                each["title"],
            )
            for each in shown
        ),
    )


@change.command()
@click.argument("number", type=CHANGE)
@click.option("--effects", is_flag=True, help="Also by domain.")
@click.option("-v", "--verbose", is_flag=True, help="Every line.")
@as_json
def show(number: int, *, effects: bool, verbose: bool) -> None:
    """Show a change, its lines beside what is in force, and whom it affects.

    \b
    JSON: as of `new`, and {"lines_shown": [{"sign", "kind", "pattern", "now", "will"}],
           "effects": [{"effect", "domain", "addresses"}], "history": [journal row],
           "taken": null, or once it is applied {"revision", "taken_by", "of": number,
                    "late": [{"name", "label": text, "revision": number or null,
                              "heard_at": time}], "apart": [{"name", "label", "why": text}]}}
    """  # noqa: D301  \b is click's: keep these lines
    with open_services() as services, services.database.reading() as session:
        found = changes.required(session, number)
        described = views.describe_change(session, found)
        lines = views.describe_lines(session, found, limit=PAGE)
        while verbose and lines["next"]:
            more = views.describe_lines(session, found, after=lines["next"], limit=PAGE)
            lines = {"items": [*lines["items"], *more["items"]], "next": more["next"]}
        by_domain = views.describe_effects(session, found)
        history = views.describe_history(session, found)
        revision = found.revision
        taken = None if revision is None else rules_held.describe(session, revision)
    more_facts = {"lines_shown": lines["items"], "effects": by_domain, "history": history}
    if print_json(described | more_facts | {"taken": taken}):
        return
    print_change(described)
    if taken is not None:
        print_message(_told_of_taken(taken))
    print_lines(lines["items"], of=described["lines"])
    if effects:
        rows = (
            (each["effect"], each["display_domain"], str(each["addresses"])) for each in by_domain
        )
        print_table(("effect", "domain", "addresses"), rows)


def _told_of_taken(taken: dict[str, Any]) -> str:
    """How far its revision has come, as a line."""
    late = ", ".join(each["name"] for each in taken["late"])
    said = f"Revision {taken['revision']}: {taken['taken_by']} homeservers of {taken['of']} have it"
    return f"{said}; not yet: {late}." if late else f"{said}."


@change.command()
@click.argument("title", type=words.WANTED)
@change_options
def new(title: str, *, author: str, reason: str, dry_run: bool) -> None:
    """Make an empty draft with this TITLE.

    \b
    JSON: {"id", "title", "state", "origin", "reason", "why", "author": text,
           "reverses": text or null, "number", "version", "lines", "base": number,
           "revision": number or null, "editors": [text], "created_at", "changed_at": time,
           "check": {"began_at", "ended_at": time or null, "done", "total": number,
                     "counts": {effect: number}, "warnings": [object],
                     "look_alikes", "shadowed": number},
           "promised": {effect: number}, "worse": [effect], "to_type": text,
           "looks_like": text or null,
           "proposed", "approved", "applied": null or {"at", "by"},
           "due_at", "ended_at": time or null, "without_approval": null or object,
           "dry_run": boolean}
    """  # noqa: D301  \b is click's: keep these lines
    who = author_here(author=author, reason=reason)
    with changing(dry_run=dry_run) as (services, session):
        made = changes.make(session, services.now(), who, title=title)
        described = views.describe_change(session, made)
    told(described, "is made", dry_run=dry_run)


@change.command()
@click.argument("number", type=CHANGE)
@click.argument("pattern")
@rule_options
@change_options
def add(number: int, pattern: str, *, suffix: bool, **options: Any) -> None:
    """Let a draft open PATTERN, a domain or one exact address, or change its rule.

    JSON: as of `new`.
    """
    check_rule_options(options)
    kind, canonical = read_pattern(pattern, suffix=suffix)
    who = author_here(author=options["author"], reason=options["reason"])
    with open_services() as services:
        rule = rule_of(services, kind, canonical, options)
        with services.database.transaction() as session:
            found = changes.required(session, number)
            changes.put_line(
                session,
                services.now(),
                who,
                found,
                rule,
                version=found.version,
                allows_public=options["allow_public"],
            )
            described = views.describe_change(session, found)
            if options["dry_run"]:
                session.rollback()
    told(described, f"has {described['lines']} lines", dry_run=options["dry_run"])


@change.command()
@click.argument("number", type=CHANGE)
@click.argument("pattern")
@suffix
@click.option("--drop", is_flag=True, help="Leave the rule as it is: take the line out again.")
@change_options
def remove(number: int, pattern: str, *, suffix: bool, drop: bool, **options: Any) -> None:
    """Let a draft take the rule of PATTERN away: of an address, a domain, or `default`.

    JSON: as of `new`.
    """
    kind, canonical = read_pattern(pattern, suffix=suffix, default=True)
    key: Key = (RuleKind(kind), canonical)
    who = author_here(author=options["author"], reason=options["reason"])
    edit = changes.drop_line if drop else changes.remove_line
    with changing(dry_run=options["dry_run"]) as (services, session):
        found = changes.required(session, number)
        edit(session, services.now(), who, found, key, version=found.version)
        described = views.describe_change(session, found)
    told(described, f"has {described['lines']} lines", dry_run=options["dry_run"])


@change.command(name="import")
@click.argument("number", type=CHANGE)
@click.argument("file", type=FILE)
@of_lists_options
@click.option("--exactly", is_flag=True, help="Also take away every rule that FILE does not name.")
@change_options
@click.pass_context
def import_(
    context: click.Context, /, number: int, file: Path, *, exactly: bool, **options: Any
) -> None:
    """Give a draft the lines of FILE in place of those it has: what is so already is no line.

    If no line can be taken, the draft stays as it is.

    The formats are those of `domain import`; homeservers of a file are not registered here.

    \b
    Exit code: 0 all taken, 1 none, 3 some refused by policy, 5 some refused.
    JSON: as of `new`, and {"refused": [{"line", "text", "reason", "by_policy": boolean}]}
    """  # noqa: D301  \b is click's: keep these lines
    text = read_text(file)
    of_lists = read_of_lists(file, text, options)
    reason = options["reason"] or f"import of {file.name}"
    who = author_here(author=options["author"], reason=reason)
    with open_services() as services:
        with services.database.reading() as session:
            here = files.find_existing(session)
        content = read_file(file, text, here, of_lists)
        tell_lines(content, whole=False)
        put, gone = files.lines_of(content, here, exactly=exactly)
        if exactly and content.faults:
            print_message("Lines were refused, so no rule is taken away.")
        with services.database.transaction() as session:
            found: Change = changes.required(session, number)
            if content.rules or not content.faults:  # else nothing of the file can be taken
                changes.replace_lines(
                    session,
                    services.now(),
                    who,
                    found,
                    version=found.version,
                    put=put,
                    take_away=gone,
                    allows_public=True,  # what is refused was taken out above
                )
                found.origin = Origin.IMPORT
            described = views.describe_change(session, found)
            if options["dry_run"]:
                session.rollback()
    refused = [
        {"line": each.line, "text": each.text, "reason": each.reason}
        | {"by_policy": files.is_policy(each)}
        for each in content.faults
    ]
    is_dry_run = options["dry_run"]
    told(described | {"refused": refused}, f"has {described['lines']} lines", dry_run=is_dry_run)
    context.exit(ending_of(content))
