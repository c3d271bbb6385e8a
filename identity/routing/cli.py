"""`guichet address`: explain what the rules decide for one address."""

from datetime import datetime
from typing import Any

import click
from sqlalchemy.orm import Session

from domain_rules.address_faults import InvalidAddress
from domain_rules.addresses import EmailAddress
from domain_rules.advice import AddressAdvice, advise
from domain_rules.rules import Decision, DecisionReason, Explanation, RuleSet
from identity.accounts import models as accounts
from identity.command.labels import CHANGE
from identity.command.looking import look
from identity.command.outcomes import Exit
from identity.command.printing import as_json, print_facts, print_json, print_message
from identity.core.clock import iso_time
from identity.invitations import models as third_party_invitations
from identity.rule_changes import service as rule_changes
from identity.threepids import associations

from . import address_lists, never_agent
from .views import describe_explanation


@click.group()
def address() -> None:
    """What the rules say of one address."""


@address.command()
@click.argument("address")
@click.option(
    "--revision", type=int, help="Decide by this earlier revision, as of when it was replaced."
)
@click.option(
    "--as-of", "draft", type=CHANGE, help="Decide as if this change of rules were applied: C-142."
)
@as_json
@click.pass_context
def explain(
    context: click.Context, address: str, *, revision: int | None, draft: int | None
) -> None:
    """Show the canonical form, the rules tried, the one that decides, and what people are told.

    \b
    JSON: {"canonical", "display_domain": text,
           "tried": [{"rule": text, "matched", "won": boolean}],
           "decision": {"homeserver", "protected_homeserver", "account_class": text or null,
                        "requires_invite": boolean, "organisation": text,
                        "sibling", "rule": text or null, "reason", "extra_signs": text,
                        "revision": number},
           "advice": {"state": text, "suggestion", "sibling": text or null},
           "known": {"user_id", "sponsor", "access_ends_at": text or null, "invitations": number}}
    "known" is the present state, even with --revision: the account, for a guest who answers for
    them and until when they are expected, and how many invitations wait for the address.
    If ADDRESS is not an address, the exit code is 1: {"error": text, "reason": text}
    """  # noqa: D301  \b is click's: keep these lines
    if revision is not None and draft is not None:
        raise click.UsageError("give --revision or --as-of, one of the two")
    try:
        parsed = EmailAddress.parse(address)
    except InvalidAddress as error:
        print_json({"error": str(error), "reason": str(error.reason)})
        print_message(f"guichet: not an email address: {error} ({error.reason})")
        context.exit(Exit.FAILED)
    with look() as (session, now):
        rules = (
            rule_changes.rules_for(session, now, revision, parsed)
            if draft is None
            else _rules_under(session, now, draft)
        )
        shared = address_lists.shared_mailboxes(session)
        known = _known(session, now, parsed)
    explanation = rules.explain(parsed)
    is_meant = never_agent.has_mailboxes(parsed.ascii_domain)
    advice = advise(rules, parsed, keep_typed=is_meant, shared_mailboxes=shared)
    if not print_json(describe_explanation(explanation, advice) | {"known": known}):
        person = [(name.replace("_", " "), str(value)) for name, value in known.items() if value]
        print_facts(_readable(explanation, advice) + person)


def _rules_under(session: Session, now: datetime, number: int) -> RuleSet:
    from identity.rule_changes import changes, lines  # noqa: PLC0415  with --as-of alone

    return lines.rules_under(session, now, changes.required(session, number))


def _known(session: Session, now: datetime, address: EmailAddress) -> dict[str, Any]:
    account = accounts.find_by_address(session, address.canonical)
    bound = associations.find_by_address(session, address.canonical)
    return {
        "user_id": account.user_id if account else bound.user_id if bound else None,
        "sponsor": account.sponsor if account else None,
        "access_ends_at": iso_time(account.access_ends_at) if account else None,
        "invitations": len(third_party_invitations.find_waiting(session, address.canonical, now)),
    }


def _readable(explanation: Explanation, advice: AddressAdvice) -> list[tuple[str, str]]:
    decision = explanation.decision
    tried = [
        (f"{rule.name}  {'YES, it decides' if rule.won else 'yes' if rule.matched else 'no'}")
        for rule in explanation.tried
    ]
    return [
        ("address", explanation.address.canonical),
        ("domain", explanation.address.display_domain),
        *zip(["rules tried"] + [""] * (len(tried) - 1), tried, strict=True),
        ("homeserver", decision.homeserver or "none: nobody's address"),
        *_where_given("protected homeserver", decision.protected_homeserver),
        *_where_given("class", decision.account_class),
        ("invitation", "needed" if decision.requires_invite else "not needed"),
        *_where_given("organisation", decision.organisation),
        *_where_given("extra signs", decision.rule.extra_signs if decision.rule else None),
        ("reason", str(decision.reason)),
        ("people are told", _advice_text(advice, decision)),
        ("revision", str(decision.revision)),
    ]


def _where_given(name: str, value: str | None) -> list[tuple[str, str]]:
    return [(name, str(value))] if value else []


def _advice_text(advice: AddressAdvice, decision: Decision) -> str:
    if advice.suggestion:
        return f"a typing error? they may have meant {advice.suggestion.display}"
    if advice.sibling:
        return f"not open: use an address of {advice.sibling}"
    if str(advice.state) == "shared_mailbox":
        return "several people may read this mailbox: use your own address"
    if decision.reason is DecisionReason.LOCAL_PART:
        return "not an address of this domain, by what stands before the @: see --extra-signs"
    if str(advice.state) == "not_open":
        return "not open" + (": wait for an invitation" if decision.homeserver else "")
    return "go on"
