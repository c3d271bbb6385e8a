"""What is told of a change of rules: `--json`, the admin API and the screens read the same.

Rules of single addresses name people: `shows_addresses` says whether the caller may read them.
"""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from sqlalchemy.orm import Session

from domain_rules.display import display_domain
from domain_rules.rule import Rule, RuleKind
from identity.core import journal
from identity.core.paging import LIMIT, Page
from identity.core.personal_data import mask_names
from identity.routing import models as rules

from . import approvals, change_models as models, changes, checking, lines, telling, warnings
from .change_models import Act, Change, ChangeLine
from .impact import Impact
from .service import Difference, by_key

FIELDS: Final = (
    *("account_class", "homeserver", "protected_homeserver", "requires_invite", "organisation"),
    *("sibling_of", "moved_from", "moving_until", "note", "valid_from", "valid_until"),
    "extra_signs",
)
"""The fields of a rule beside its kind and pattern."""
MAX_EFFECTS: Final = 200  # domains


def describe_change(session: Session, change: Change) -> dict[str, Any]:
    """A change without its lines.

    `counts`: of the last check, `promised`: those that were approved; both empty before. `worse`:
    the effects that hit more people than were approved. `to_type`: what its approver types, or "":
    a number of people, or the domain that looks like `looks_like`.
    """
    reversed_one = change.reverses and models.find_by_id(session, change.reverses)
    return {
        "id": change.label,
        "number": change.number,
        "title": change.title,
        "state": change.state,
        "origin": change.origin,
        "reverses": reversed_one.label if reversed_one else None,
        "version": change.version,
        "lines": change.lines,
        "base": change.base,
        "revision": change.revision,
        "reason": change.reason,
        "why": change.why,
        "why_code": change.why_code,
        "author": change.author,
        "editors": list(change.editors),
        "created_at": change.created_at,
        "changed_at": change.changed_at,
        "check": _check(change),
        "promised": changes.numbers_of(change.promised),
        "worse": checking.worse_than_promised(change.promised, change.counts)
        if change.promised
        else [],
        "to_type": approvals.words_to_type(change),
        "looks_like": (approvals.find_look_alike(change) or {}).get("like"),
        "proposed": _deed(change.proposed_at, change.proposed_by),
        "approved": _deed(change.approved_at, change.approved_by),
        "due_at": change.due_at,
        "applied": _deed(change.applied_at, change.applied_by),
        "ended_at": change.ended_at,
        "without_approval": _without_approval(change),
    }


def describe_short(change: Change) -> dict[str, Any]:
    """A change as a line of a list."""
    return {
        "id": change.label,
        "number": change.number,
        "title": change.title,
        "state": change.state,
        "origin": change.origin,
        "author": change.author,
        "changed_at": change.changed_at,
        "lines": change.lines,
        "revision": change.revision,
        "due_at": change.due_at,
        "waits_for_review": telling.waits_for_review(change),
    }


def describe_lines(
    session: Session,
    change: Change,
    *,
    after: str | None = None,
    limit: int = LIMIT,
    shows_addresses: bool = True,
) -> dict[str, Any]:
    """A page of its lines in order, each beside the rule in force: `{"items", "next"}`.

    Of an applied change that is the rule before it. Raises WrongParameter for an `after` that is
    none.
    """
    found = lines.find_page_of_lines(session, change, after=after, limit=limit)
    keys = [(RuleKind(line.kind), line.pattern) for line in found.items]
    before = None if change.revision is None else change.revision - 1
    here = by_key(rules.find_in_force(session, keys, revision=before))
    items = [
        describe_line(line, here.get(key), shows_addresses=shows_addresses)
        for line, key in zip(found.items, keys, strict=True)
    ]
    return {"items": items, "next": found.following}


def describe_line(
    line: ChangeLine, now: Rule | None, *, shows_addresses: bool = True
) -> dict[str, Any]:
    """One line. `sign`: + adds a rule, ~ changes one, - removes one, = says what is so already."""
    will = models.rule_of(line) if line.act == Act.PUT else None
    sign = {(False, True): "+", (True, False): "-", (False, False): "="}.get(
        (now is not None, will is not None), "=" if now == will else "~"
    )
    return {
        "place": line.place,
        "sign": sign,
        "act": line.act,
        "kind": line.kind,
        "pattern": _pattern(line.kind, line.pattern, shows_addresses=shows_addresses) or None,
        "name": _name(line.kind, line.pattern, shows_addresses=shows_addresses),
        "now": describe_rule(now, shows_addresses=shows_addresses) if now else None,
        "will": describe_rule(will, shows_addresses=shows_addresses) if will else None,
        "allows_public": line.allows_public,
    }


def describe_effects(
    session: Session, change: Change, *, effect: str | None = None, limit: int = MAX_EFFECTS
) -> list[dict[str, Any]]:
    """How many addresses of which domain it affects in which way, the largest numbers first."""
    found = checking.find_effects(session, change.id, effect=effect, limit=limit)
    return [
        {
            "effect": each.effect,
            "domain": each.domain,
            "display_domain": display_domain(each.domain),
            "addresses": each.count,
        }
        for each in found
    ]


def describe_history(session: Session, change: Change, *, limit: int = 200) -> list[dict[str, Any]]:
    """What was done with the change, the newest first: rows of the journal."""
    return [
        {
            "number": row.number,
            "at": row.at,
            "actor": row.actor,
            "origin": row.origin,
            "action": row.action,
            "reason": row.reason,
        }
        for row in journal.find_recent(session, limit=limit, subjects=[change.label])
    ]


def describe_page(found: Page[Change]) -> dict[str, Any]:
    """A page of changes: `{"items", "next"}`."""
    return {"items": [describe_short(change) for change in found.items], "next": found.following}


def describe_rule(rule: Rule, *, shows_addresses: bool = True) -> dict[str, Any]:
    """A rule. `pattern` is null for the default; domains are in ASCII."""
    shown = _pattern(rule.kind, rule.pattern, shows_addresses=shows_addresses)
    return {
        "kind": str(rule.kind),
        "pattern": shown or None,
        **{field: plain(getattr(rule, field)) for field in FIELDS},
    }


def describe_difference(difference: Difference, *, shows_addresses: bool = True) -> dict[str, Any]:
    """A difference between two sets of rules."""

    def described(found: Iterable[Rule]) -> list[dict[str, Any]]:
        return [describe_rule(rule, shows_addresses=shows_addresses) for rule in found]

    was = described(old for old, _ in difference.changed)
    will = described(new for _, new in difference.changed)
    return {
        "base": difference.base,
        "added": described(difference.added),
        "removed": described(difference.removed),
        "changed": [{"from": old, "to": new} for old, new in zip(was, will, strict=True)],
        "unchanged": difference.unchanged,
    }


def describe_impact(impact: Impact) -> dict[str, Any]:
    """Whom a difference affects, in numbers."""
    domains = [{"domain": name, "addresses": count} for name, count in impact.domains]
    return asdict(impact) | {"domains": domains}


def plain(value: Any) -> Any:
    """A field of a rule as JSON has it."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, tuple):
        return list(value)
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _check(change: Change) -> dict[str, Any]:
    """`look_alikes` and `shadowed`: how many warnings of these kinds; `warnings.MAX_NAMED` is the most."""
    counted = changes.numbers_of(change.counts)
    warned = list(change.counts.get("warnings", ()))
    return {
        "began_at": change.check_began_at,
        "ended_at": change.checked_at,
        "done": change.done,
        "total": change.to_check,
        "counts": counted,
        "warnings": warned,
        "look_alikes": sum(each["kind"] == warnings.LOOK_ALIKE for each in warned),
        "shadowed": sum(each["kind"] == warnings.SHADOWED for each in warned),
    }


def _deed(at: datetime | None, by: str | None) -> dict[str, Any] | None:
    return {"at": at, "by": by} if at else None


def _without_approval(change: Change) -> dict[str, Any] | None:
    if change.broken_glass_at is None:
        return None
    return {
        "at": change.broken_glass_at,
        "reason": change.broken_glass_reason,
        "review_until": change.review_until,
        "reviewed": _deed(change.reviewed_at, change.reviewed_by),
        "waits_for_review": telling.waits_for_review(change),
    }


def _pattern(kind: str, pattern: str, *, shows_addresses: bool) -> str:
    is_hidden = kind == RuleKind.ADDRESS and not shows_addresses
    return mask_names(pattern) if is_hidden else pattern


def _name(kind: str, pattern: str, *, shows_addresses: bool) -> str:
    shown = _pattern(kind, pattern, shows_addresses=shows_addresses)
    if kind in {RuleKind.DOMAIN, RuleKind.SUFFIX}:
        shown = display_domain(shown)
    return f"{RuleKind(kind).value}:{shown}".removesuffix(":")
