"""The options of commands that put a rule, and the rule that they describe."""

from dataclasses import replace
from typing import Any

import click

from domain_rules.address_faults import InvalidAddress
from domain_rules.addresses import EmailAddress, parse_domain
from domain_rules.local_parts import EXTRA_SIGNS
from domain_rules.rule import AccountClass, Rule, RuleKind, order_signs
from identity.command.opening import with_options
from identity.command.outcomes import Failure
from identity.core.personal_data import mask_names
from identity.homeservers import models as homeservers
from identity.services import Services

from .differences import readable_name

suffix = click.option("--suffix", is_flag=True, help="PATTERN and every domain under it.")
rule_options = with_options(
    click.option("--homeserver", help="Where its people have their accounts."),
    suffix,
    click.option("--guest", is_flag=True, help="Its people are guests and need an invitation."),
    click.option("--organisation", default="", help="The label people see."),
    click.option(
        "--sibling-of", metavar="DOMAIN", help="Not open: tell people to use that domain."
    ),
    click.option(
        "--extra-signs",
        default="",
        metavar="SIGNS",
        help="Its agents may also have these before the @: some of = & # ~ /",
    ),
    click.option("--note", default="", help="For operators."),
    click.option("--allow-public", is_flag=True, help="Even a free mail service or public suffix."),
)


def check_rule_options(options: dict[str, Any]) -> None:
    """Raises UsageError: a rule names a homeserver or a sibling."""
    if (options["homeserver"] is None) == (options["sibling_of"] is None):
        raise click.UsageError("give --homeserver or --sibling-of, one of the two")


def rule_of(services: Services, kind: RuleKind, pattern: str, options: dict[str, Any]) -> Rule:
    """The rule that these options describe. Raises Failure, BadParameter."""
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
