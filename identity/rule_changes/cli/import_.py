"""`guichet domain import`: publish the rules of a file in one revision."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from domain_rules.rule import AccountClass
from identity.command.files import FILE, read_text
from identity.command.opening import open_services
from identity.command.outcomes import Exit
from identity.command.printing import print_json, print_message
from identity.homeservers import models as homeservers
from identity.routing import address_lists, models as rules
from identity.rule_changes import service as rule_changes
from identity.rule_changes.at_once import Wanted
from identity.rule_changes.change_models import Origin
from identity.services import Services

from .files import Content, Existing, Format, format_of, is_policy, read_list, read_table, read_yaml
from .proof import ImportProof, describe_proof, make_proof, print_proof
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
OF_LISTS = ("homeserver", "organisation", "suffix", "guest")


@click.command(name="import")
@click.argument("file", type=FILE)
@click.option("--homeserver", help="Lists: where the people of these domains have their accounts.")
@click.option("--organisation", default="", help="Lists: the label people see.")
@click.option("--suffix", is_flag=True, help="Lists: each domain and every domain under it.")
@click.option("--guest", is_flag=True, help="Lists: their people are guests.")
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
    form = format_of(file, text)
    _check_usage(file, form, options)
    if len(text) > LONG:
        print_message(f"{file.name} is long; this takes a minute or two.")
    with open_services() as services:
        here = _here(services)
        content = _read(file, form, text, here, options)
        found = make_proof(content, here.rules, services.now())
        if found:
            print_proof(found, whole=options["verbose"])
        _tell_lines(content, whole=options["verbose"])
        options["reason"] = options["reason"] or f"import of {file.name}"
        wanted = Wanted(
            title=f"Import of {file.name}",
            put=content.rules,
            servers=content.homeservers,
            origin=Origin.IMPORT,
            allows_public=True,  # what is refused was taken out above
        )
        done = publish(services, lambda _: wanted, options)
        _show(content, found, done, options)
        if done.needs_approval:
            tell_approval(services, done)
    context.exit(Exit.APPROVAL if done.needs_approval else content.ending)


def _show(
    content: Content, found: ImportProof | None, done: Published, options: dict[str, Any]
) -> None:
    proof = {"proof": describe_proof(found) if found else None}
    is_told = print_json(_described(content, done, dry_run=options["dry_run"]) | proof)
    if options["dry_run"] and not is_told:
        for name in done.missing:
            click.echo(f"+ homeserver {name}")
        print_checked(done.checked, whole=options["verbose"])
    print_message(_summary(content, done, dry_run=options["dry_run"]))


def _check_usage(file: Path, form: Format, options: dict[str, Any]) -> None:
    if form is not Format.LIST:
        for name in OF_LISTS:
            if options[name]:
                raise click.UsageError(f"--{name} is for lists; {file.name} says it itself")
    elif not options["homeserver"]:
        raise click.UsageError("a list needs --homeserver")


def _here(services: Services) -> Existing:
    with services.database.reading() as session:
        return Existing(
            homeservers={each.name: each.is_for_guests for each in homeservers.find_all(session)},
            rules=rule_changes.by_key(rules.load(session, rules.current_number(session))),
            why_never_agent=address_lists.why_never_agent(session),
        )


def _read(file: Path, form: Format, text: str, here: Existing, options: dict[str, Any]) -> Content:
    if form is Format.YAML:
        return read_yaml(file, text, here)
    if form is Format.CSV:
        return read_table(text, here)
    is_guests = options["guest"] or here.homeservers.get(options["homeserver"], False)
    return read_list(
        text,
        here,
        homeserver=options["homeserver"],
        organisation=options["organisation"],
        account_class=AccountClass.GUEST if is_guests else AccountClass.AGENT,
        suffix=options["suffix"],
    )


def _tell_lines(content: Content, *, whole: bool) -> None:
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
