"""`guichet domain`: the rules that decide which addresses may register, and where."""

from dataclasses import replace
from typing import Any

import click

from domain_rules.address_faults import InvalidAddress
from domain_rules.addresses import EmailAddress, parse_domain
from domain_rules.local_parts import EXTRA_SIGNS
from domain_rules.rule import AccountClass, Rule, RuleKind, order_signs
from identity.command.opening import open_services
from identity.command.outcomes import Exit, Failure
from identity.command.printing import as_json, print_json, print_message, print_table
from identity.core.personal_data import mask_names
from identity.homeservers import models as homeservers
from identity.routing import address_lists, models as rules
from identity.rule_changes.at_once import Wanted
from identity.rule_changes.views import describe_rule
from identity.services import Services

from .differences import outcome, readable_name
from .export import export
from .history import diff, history, rollback
from .import_ import import_
from .publishing import change, publishing

suffix = click.option("--suffix", is_flag=True, help="PATTERN and every domain under it.")


@click.group()
def domain() -> None:
    """Rules: exact address > exact domain > longest suffix > default."""


for command in (import_, export, history, diff, rollback):
    domain.add_command(command)


@domain.command()
@click.argument("pattern")
@click.option("--homeserver", help="Where its people have their accounts.")
@suffix
@click.option("--guest", is_flag=True, help="Its people are guests and need an invitation.")
@click.option("--organisation", default="", help="The label people see.")
@click.option("--sibling-of", metavar="DOMAIN", help="Not open: tell people to use that domain.")
@click.option(
    "--extra-signs",
    default="",
    metavar="SIGNS",
    help="Its agents may also have these before the @: some of = & # ~ /",
)
@click.option("--note", default="", help="For operators.")
@click.option("--allow-public", is_flag=True, help="Even a free mail service or public suffix.")
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
                      "gain_access", "invitations": number, "domains": [{"domain", "addresses"}]}}
    """  # noqa: D301  \b is click's: keep these lines
    if (options["homeserver"] is None) == (options["sibling_of"] is None):
        raise click.UsageError("give --homeserver or --sibling-of, one of the two")
    kind, canonical = read_pattern(pattern, suffix=suffix)
    with open_services() as services:
        rule = _rule(services, kind, canonical, options)
        _check_allowed(services, rule, allow_public=options["allow_public"])
        wanted = Wanted(
            title=f"Put {title_of(rule)}", put=[rule], allows_public=options["allow_public"]
        )
        change(services, options, lambda _: wanted)


def _rule(services: Services, kind: RuleKind, pattern: str, options: dict[str, Any]) -> Rule:
    sibling = options["sibling_of"]
    if sibling and (sibling := read_domain(sibling)) == pattern:
        raise Failure("a domain cannot be its own sibling")
    rule = Rule(
        kind,
        pattern,
        AccountClass.AGENT,
        options["homeserver"],
        requires_invite=False,
        sibling_of=sibling,
        organisation=options["organisation"],
        note=options["note"],
        extra_signs=_extra_signs(options["extra_signs"]),
    )
    if options["guest"] or is_for_guests(services, rule.homeserver):
        return replace(rule, account_class=AccountClass.GUEST, requires_invite=True)
    return rule


def _extra_signs(text: str) -> str:
    signs = "".join(text.split())
    if foreign := set(signs) - set(EXTRA_SIGNS):
        raise click.BadParameter(
            f"{' '.join(sorted(foreign))} cannot be taken; only {' '.join(EXTRA_SIGNS)}",
            param_hint="--extra-signs",
        )
    return order_signs(signs)


def is_for_guests(services: Services, name: str | None) -> bool:
    """Whether this is a homeserver for guests; False for an unknown one, refused later."""
    if name is None:
        return False
    with services.database.reading() as session:
        found = homeservers.find(session, name)
        return found is not None and found.is_for_guests


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


def title_of(rule: Rule) -> str:
    """The rule's name for the title of a change, in which nobody's address stands."""
    return mask_names(readable_name(rule))


def read_pattern(text: str, *, suffix: bool, default: bool = False) -> tuple[RuleKind, str]:
    """Kind and canonical pattern: an address if it has a local part, else a domain.

    Raises Failure.
    """
    if default and text == "default" and not suffix:
        return RuleKind.DEFAULT, ""
    if not text.strip().partition("@")[0] or "@" not in text:
        return (RuleKind.SUFFIX if suffix else RuleKind.DOMAIN), read_domain(text)
    if suffix:
        raise click.UsageError("--suffix wants a domain, not an address")
    try:
        return RuleKind.ADDRESS, EmailAddress.parse(text, smtputf8=True).canonical
    except InvalidAddress as error:
        raise Failure(f"{text!r} is not an address: {error}") from error


def read_domain(text: str) -> str:
    """The domain as A-label. Raises Failure."""
    try:
        return parse_domain(text)
    except InvalidAddress as error:
        hint = " Write it without *. and with --suffix." if text.startswith("*.") else ""
        raise Failure(f"{text!r} is not a domain: {error}{hint}") from error
