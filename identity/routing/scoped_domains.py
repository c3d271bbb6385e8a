"""Which domains belong to some homeservers or organisations, as a condition that the database checks.

It decides as the rules in force do: the rule of a domain, else the longest suffix, else the default.
A sibling belongs to what the domain that it names belongs to. Rules of single addresses do not count.
"""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import ColumnElement, false, func, or_, select
from sqlalchemy.orm import Session

from domain_rules.rule import RuleKind

from .models import StoredRule

IN_FORCE = StoredRule.until_revision.is_(None)


@dataclass(frozen=True)
class _Broad:
    """A rule that covers many domains: a suffix, or the default (an empty pattern)."""

    pattern: str
    is_inside: bool


def belongs(
    session: Session,
    domain: ColumnElement[str],
    *,
    homeservers: Collection[str],
    organisations: Collection[str],
) -> ColumnElement[bool]:
    """The condition that `domain` (A-labels) belongs to one of these homeservers or organisations.

    Reads the few rules that cover many domains; those of single domains stay in the database.
    """
    inside = or_(
        StoredRule.homeserver.in_(homeservers),
        (StoredRule.organisation != "") & StoredRule.organisation.in_(organisations),
    )
    own = _patterns(inside)
    siblings = _patterns(StoredRule.sibling_of.in_(_patterns(inside)))
    narrow = domain.in_(own) | domain.in_(siblings)
    broad = [
        _Broad(pattern, is_inside)
        for pattern, is_inside in session.execute(
            select(StoredRule.pattern, inside).where(
                IN_FORCE, StoredRule.kind.in_((RuleKind.SUFFIX, RuleKind.DEFAULT))
            )
        )
    ]
    if not any(each.is_inside for each in broad):
        return narrow
    return narrow | (domain.not_in(_patterns()) & _is_below_one(domain, broad))


def leads_to(homeserver: ColumnElement[str], organisations: Collection[str]) -> ColumnElement[bool]:
    """The condition that a rule in force of one of these organisations leads to a homeserver."""
    if not organisations:
        return false()
    found = select(StoredRule.homeserver).where(
        IN_FORCE,
        StoredRule.organisation.in_(organisations),
        StoredRule.homeserver.is_not(None),
    )
    return homeserver.in_(found)


def _patterns(*which: ColumnElement[bool]) -> ColumnElement[str]:
    found = select(StoredRule.pattern).where(IN_FORCE, StoredRule.kind == RuleKind.DOMAIN, *which)
    return found.scalar_subquery()


def _is_below_one(domain: ColumnElement[str], broad: Collection[_Broad]) -> ColumnElement[bool]:
    """Below one that is inside, and below no longer one that is outside."""
    conditions = []
    for each in (one for one in broad if one.is_inside):
        longer = (
            one.pattern
            for one in broad
            if not one.is_inside and one.pattern != each.pattern and _covers(each, one.pattern)
        )
        outside = or_(false(), *(_is_below(domain, pattern) for pattern in longer))
        conditions.append(_is_below(domain, each.pattern) & ~outside)
    return or_(*conditions)


def _covers(each: _Broad, pattern: str) -> bool:
    return not each.pattern or pattern.endswith(f".{each.pattern}")


def _is_below(domain: ColumnElement[str], pattern: str) -> ColumnElement[bool]:
    if not pattern:
        return func.length(domain) > 0
    dotted = f".{pattern}"
    begins_at = func.length(domain) - (len(dotted) - 1)
    return (domain == pattern) | ((begins_at > 1) & (func.substr(domain, begins_at) == dotted))
