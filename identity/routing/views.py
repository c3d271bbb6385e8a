"""What is told of rules and of the decision about an address: `--json`, API and console read this."""

from typing import Any

from domain_rules.advice import AddressAdvice
from domain_rules.display import display_domain
from domain_rules.rule import RuleKind
from domain_rules.rules import Decision, Explanation

from .models import RuleRevision


def readable_pattern(kind: str, pattern: str, *, masked: bool = False) -> str:
    """A pattern for people: a domain in Unicode where that cannot mislead.

    `masked`: only the first letter of an address is shown.
    """
    if kind != RuleKind.ADDRESS:
        return display_domain(pattern)
    local, _, domain = pattern.rpartition("@")
    return f"{local[:1]}•••@{display_domain(domain)}" if masked else pattern


def describe_revision(revision: RuleRevision) -> dict[str, Any]:
    """A revision: its number, when and by whom it was published, why, and `+1 -0 ~2`."""
    return {
        "revision": revision.number,
        "based_on": revision.based_on,
        "published_at": revision.published_at.isoformat(timespec="seconds"),
        "author": revision.author,
        "reason": revision.reason,
        "summary": revision.summary,
    }


def describe_decision(decision: Decision) -> dict[str, Any]:
    """Where an address belongs, and by which rule."""
    return {
        "homeserver": decision.homeserver,
        "protected_homeserver": decision.protected_homeserver,
        "account_class": decision.account_class,
        "requires_invite": decision.requires_invite,
        "organisation": decision.organisation,
        "sibling": decision.sibling,
        "rule": decision.rule.name if decision.rule else None,
        "reason": decision.reason,
        "extra_signs": decision.rule.extra_signs if decision.rule else "",
        "revision": decision.revision,
    }


def describe_explanation(explanation: Explanation, advice: AddressAdvice) -> dict[str, Any]:
    """The canonical form, the rules that were tried, the decision, and what the person reads."""
    return {
        "canonical": explanation.address.canonical,
        "display_domain": explanation.address.display_domain,
        "tried": [
            {"rule": tried.name, "matched": tried.matched, "won": tried.won}
            for tried in explanation.tried
        ],
        "decision": describe_decision(explanation.decision),
        "advice": {
            "state": advice.state,
            "suggestion": advice.suggestion.canonical if advice.suggestion else None,
            "sibling": advice.sibling,
        },
    }
