"""`guichet domain import`: publish the rules of a file in one revision."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from identity.command.files import FILE, read_text
from identity.command.opening import open_services, with_options
from identity.command.outcomes import Exit
from identity.command.printing import is_json_wanted, print_json, print_message
from identity.problems import UnreadableFile
from identity.rule_changes.at_once import Wanted
from identity.rule_changes.change_models import Origin
from identity.rule_changes.files import (
    Content,
    OfLists,
    check_of_lists,
    find_existing,
    format_of,
    is_policy,
)
from identity.rule_changes.import_proof import ImportProof, describe_proof, make_proof

from .files import ending_of, homeservers_of, read_file
from .proof import print_proof
from .publishing import (
    Published,
    describe_checked,
    described,
    print_checked,
    publish,
    publishing,
    tell_approval,
)

LONG = 3_000_000  # characters
OF_LISTS = asdict(OfLists())
of_lists_options = with_options(
    click.option(
        "--homeserver", help="Lists: where the people of these domains have their accounts."
    ),
    click.option("--organisation", default="", help="Lists: the label people see."),
    click.option("--suffix", is_flag=True, help="Lists: each domain and every domain under it."),
    click.option("--guest", is_flag=True, help="Lists: their people are guests."),
)


@click.command(name="import")
@click.argument("file", type=FILE)
@of_lists_options
@click.option("-v", "--verbose", is_flag=True, help="Name duplicates, show every change.")
@publishing
@click.pass_context
def import_(context: click.Context, /, file: Path, **options: Any) -> None:
    """Put the rules of FILE in force, in one revision.

    FILE is one of these: a federation in our own format (YAML, see examples/federation.yaml, or CSV
    with a column for each field, as `export` writes it); the info.yaml of a Tchap or Sydent server;
    a list with one domain on each line, in which # begins a comment. Rules that FILE does not name
    stay. Lines that are refused are shown, and the others are imported.

    For an info.yaml the command shows what each line becomes, what was dangerous in it, and for
    which addresses the answer is no longer that of the old server.

    \b
    Exit code: 0 all taken (or nothing to change), 1 none, 3 some refused by policy, 5 some refused,
    4 another person has to approve it: then it is proposed.
    JSON: {"change": text or null, "needs_approval": boolean, "base", "revision": number, "dry_run": boolean, "homeservers_added": [name],
           "added", "removed": [rule], "changed": [{"from": rule, "to": rule}],
           "unchanged": number, "duplicates": [{"line", "text", "first_line"}],
           "refused": [{"line", "text", "reason", "by_policy": boolean}],
           "proof": null, or of an info.yaml {"addresses", "lines": number, "is_whole": boolean,
               "translations": [{"line", "text", "rules": [name]}],
               "differences": [{"line", "text", "address", "cause", "explanation",
                                "inside", "outside": {"old", "new": answer or null}}],
               "dangers": [{"line", "text", "kind", "reason"}]}}
    """  # noqa: D301  \b is click's: keep these lines
    text = read_text(file)
    of_lists = read_of_lists(file, text, options)
    if len(text) > LONG:
        print_message(f"{file.name} is long; this takes a minute or two.")
    with open_services() as services:
        with services.database.reading() as session:
            here = find_existing(session)
        content = read_file(file, text, here, of_lists)
        found = make_proof(content, here.rules, services.now())
        if found:
            print_proof(found, whole=options["verbose"])
        tell_lines(content, whole=options["verbose"])
        options["reason"] = options["reason"] or f"import of {file.name}"
        wanted = Wanted(
            title=f"Import of {file.name}",
            put=content.rules,
            servers=homeservers_of(content, file.parent),
            origin=Origin.IMPORT,
            allows_public=True,  # what is refused was taken out above
        )
        done = publish(services, lambda _: wanted, options)
        _show(content, found, done, options)
        if done.needs_approval:
            tell_approval(services, done)
    context.exit(Exit.APPROVAL if done.needs_approval else ending_of(content))


def _show(
    content: Content, found: ImportProof | None, done: Published, options: dict[str, Any]
) -> None:
    if is_json_wanted():
        proof = {"proof": describe_proof(found) if found else None}
        print_json(_described(content, done, dry_run=options["dry_run"]) | proof)
    elif options["dry_run"]:
        for name in done.missing:
            click.echo(f"+ homeserver {name}")
        print_checked(done.checked, whole=options["verbose"])
    print_message(_summary(content, done, dry_run=options["dry_run"]))


def read_of_lists(file: Path, text: str, options: dict[str, Any]) -> OfLists:
    """What the options say of a list. Raises UsageError if they do not fit the file's format."""
    of_lists = OfLists(**{name: options[name] or default for name, default in OF_LISTS.items()})
    try:
        check_of_lists(file.name, format_of(file.name, text), of_lists)
    except UnreadableFile as wrong:
        raise click.UsageError(str(wrong)) from None
    return of_lists


def tell_lines(content: Content, *, whole: bool) -> None:
    """Say which lines were refused, and with `whole` which stand twice."""
    for fault in content.faults:
        print_message(f"line {fault.line}: {fault.text}: {fault.reason}")
    for duplicate in content.duplicates if whole else ():
        print_message(f"line {duplicate.line}: {duplicate.text}: as line {duplicate.first_line}")


def _described(content: Content, done: Published, *, dry_run: bool) -> dict[str, Any]:
    return {
        **describe_checked(done.checked),
        **described(done, dry_run=dry_run),
        "homeservers_added": list(done.missing),
        "duplicates": [asdict(each) for each in content.duplicates],
        "refused": [asdict(fault) | {"by_policy": is_policy(fault)} for fault in content.faults],
    }


def _summary(content: Content, done: Published, *, dry_run: bool) -> str:
    difference = done.checked.difference
    counts = {
        "added": len(difference.added),
        "changed": len(difference.changed),
        "unchanged": difference.unchanged,
        "duplicates": len(content.duplicates),
        "refused": len(content.faults),
    }
    told = ", ".join(f"{count} {name}" for name, count in counts.items())
    if done.missing:
        told = f"{len(done.missing)} homeservers added; {told}"
    if dry_run:
        return f"{told}. Nothing was written."
    if difference.is_empty:
        return f"{told}. Nothing to change: revision {done.revision} stays."
    if done.needs_approval:
        return f"{told}."
    return f"{told}. Revision {done.revision} is published."
