"""`guichet domain`: the rules that decide which addresses may register, and where."""

from dataclasses import replace
from typing import Any

import click

from domain_rules.rule import AccountClass, Rule, RuleKind
from identity.command.opening import open_services
from identity.command.outcomes import Exit, Failure
from identity.command.printing import as_json, print_json, print_message, print_table
from identity.routing import address_lists, models as rules
from identity.rule_changes.at_once import Wanted
from identity.rule_changes.views import describe_rule
from identity.services import Services

from .differences import outcome, readable_name
from .export import export
from .history import diff, history, rollback
from .import_ import import_
from .publishing import change, publishing
from .rule_options import (
    check_rule_options,
    read_pattern,
    rule_of,
    rule_options,
    suffix,
    title_of,
)
from .show import show


@click.group()
def domain() -> None:
    """Rules: exact address > exact domain > longest suffix > default."""


for command in (show, import_, export, history, diff, rollback):
    domain.add_command(command)


@domain.command()
@click.argument("pattern")
@rule_options
@publishing
def add(pattern: str, *, suffix: bool, **options: Any) -> None:
    """Open PATTERN, a domain or one exact address, or change its rule.

    On a homeserver for guests its people are guests.

    Where another person has to approve it, it is proposed, and the exit code is 4.

    \b
    JSON: {"change": text or null, "needs_approval": boolean,
           "base", "revision": number, "dry_run": boolean, "added", "removed": [rule],
           "changed": [{"from": rule, "to": rule}], "unchanged": number,
           "impact": {"known", "change_homeserver", "become_agents", "become_guests", "lose_access",
                      "gain_access", "invitations": number, "domains": [{"domain", "addresses"}],
                      "is_large": boolean}}
    """  # noqa: D301  \b is click's: keep these lines
    check_rule_options(options)
    kind, canonical = read_pattern(pattern, suffix=suffix)
    with open_services() as services:
        rule = rule_of(services, kind, canonical, options)
        _check_allowed(services, rule, allow_public=options["allow_public"])
        wanted = Wanted(
            title=f"Put {title_of(rule)}", put=[rule], allows_public=options["allow_public"]
        )
        change(services, options, lambda _: wanted)


def _check_allowed(services: Services, rule: Rule, *, allow_public: bool) -> None:
    is_open = rule.account_class is AccountClass.AGENT and rule.sibling_of is None
    if allow_public or not is_open or rule.kind is RuleKind.ADDRESS:
        return
    with services.database.reading() as session:
        refusal = address_lists.why_never_agent(session)(rule.pattern)
    if refusal:
        raise Failure(
            f"{readable_name(rule)} cannot be opened to agents. {refusal} "
            "(--guest opens it to guests; --allow-public if you are sure)",
            Exit.REFUSED,
        )


@domain.command()
@click.argument("pattern")
@suffix
@publishing
def remove(pattern: str, *, suffix: bool, **options: Any) -> None:
    """Take away the rule of PATTERN: an address, a domain, or `default`.

    JSON: as of `add`.
    """
    kind, canonical = read_pattern(pattern, suffix=suffix, default=True)
    with open_services() as services:
        with services.database.reading() as session:
            here = rules.load(session, rules.current_number(session))
        same = [rule for rule in here if rule.pattern == canonical]
        if not any(rule.kind is kind for rule in same):
            there = ", ".join(readable_name(rule) for rule in same)
            missing = f"{kind}:{canonical}".removesuffix(":")
            raise Failure(f"there is no rule {missing}" + (f"; there is {there}" if there else ""))
        gone = next(rule for rule in same if rule.kind is kind)
        title = f"Remove {title_of(gone)}"
        wanted = Wanted(title=title, take_away=[(gone.kind, gone.pattern)])
        change(services, options, lambda _: wanted)


@domain.command(name="list")
@click.option("--homeserver", help="Only rules of this homeserver.")
@as_json
def list_(*, homeserver: str | None) -> None:
    """List the rules of the newest revision.

    \b
    JSON: {"revision": number, "rules": [{"kind": text, "pattern": text or null,
           "account_class", "homeserver", "protected_homeserver", "requires_invite",
           "organisation", "sibling_of", "moved_from", "moving_until", "note",
           "valid_from", "valid_until", "extra_signs"}]}
    """  # noqa: D301  \b is click's: keep these lines
    with open_services() as services, services.database.reading() as session:
        revision = rules.current_number(session)
        found = [
            rule
            for rule in rules.load(session, revision)
            if homeserver in {None, rule.homeserver, rule.protected_homeserver}
        ]
    found.sort(key=lambda rule: (rule.pattern.split(".")[::-1], rule.kind))
    if print_json({"revision": revision, "rules": [describe_rule(rule) for rule in found]}):
        return
    columns = ("rule", "says", "organisation")
    bare = (replace(rule, organisation="") for rule in found)
    print_table(
        columns,
        (
            (readable_name(rule), outcome(short), rule.organisation)
            for rule, short in zip(found, bare, strict=True)
        ),
    )
    print_message(f"{len(found)} rules, revision {revision}.")
