"""Finds rules in force by what operators ask for, page by page, and what one revision changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, or_, select, true
from sqlalchemy.orm import Session, aliased

from domain_rules.address_faults import InvalidAddress
from domain_rules.addresses import parse_domain
from domain_rules.rule import RuleKind
from identity.core.address_domains import domain_of
from identity.core.paging import Column, Page, find_page
from identity.operators.roles import ALL, Scope
from identity.routing.models import RuleRevision, StoredRule

from .change_models import Change
from .service import Key

SHOWN = 200  # rules of one revision
IN_FORCE = StoredRule.until_revision.is_(None)


@dataclass(frozen=True)
class Wanted:
    """What the rules shall have; what is empty is not asked.

    `prefix`: how the domain begins. `changed_since`: changed at this time or later.
    """

    prefix: str = ""
    kind: str = ""
    account_class: str = ""
    homeserver: str = ""
    organisation: str = ""  # how it begins
    changed_since: datetime | None = None


@dataclass(frozen=True)
class RevisionLine:
    """What one revision did with one pattern: `before` and `after`, one of which may be missing."""

    key: Key
    before: StoredRule | None = None
    after: StoredRule | None = None


def find_rules(
    session: Session,
    wanted: Wanted,
    *,
    scope: Scope = ALL,
    after: str | None = None,
    limit: int = 50,
) -> Page[StoredRule]:
    """A page of the rules in force, by kind and pattern.

    Rules for single addresses are found only by their kind, oldest first: a page is continued by
    the key of its last rule, and an address does not stand in a URL. Raises WrongParameter.
    """
    query = select(StoredRule).where(IN_FORCE, is_within(scope), *_conditions(session, wanted))
    keys: list[Column] = [StoredRule.id]
    if wanted.kind != RuleKind.ADDRESS:
        query = query.where(StoredRule.kind != RuleKind.ADDRESS)
        keys = [StoredRule.kind, StoredRule.pattern]
    return find_page(session, query, keys, after=after, limit=limit, descending=False)


def is_within(scope: Scope) -> ColumnElement[bool]:
    """The condition that a rule lies in what somebody looks after.

    A sibling belongs to what the domain that it names belongs to now.
    """
    if scope.is_all:
        return true()
    home = aliased(StoredRule)
    homes = select(home.pattern).where(
        home.until_revision.is_(None), home.kind == RuleKind.DOMAIN, _has_place(home, scope)
    )
    return or_(_has_place(StoredRule, scope), StoredRule.sibling_of.in_(homes))


def _has_place(row: type[StoredRule], scope: Scope) -> ColumnElement[bool]:
    return or_(
        row.homeserver.in_(sorted(scope.homeservers)),
        row.organisation.in_(sorted(scope.organisations)),
    )


def find_revisions(
    session: Session, *, after: str | None = None, limit: int = 50
) -> Page[RuleRevision]:
    """A page of the revisions, newest first. Raises WrongParameter."""
    query = select(RuleRevision)
    return find_page(session, query, [RuleRevision.number], after=after, limit=limit)


def find_changes_of(session: Session, revisions: Sequence[int]) -> dict[int, int]:
    """The numbers of the changes (C-n) that became these revisions, by revision."""
    asked = select(Change.revision, Change.number).where(Change.revision.in_(revisions))
    return {revision: number for revision, number in session.execute(asked) if revision}


def find_lines_of(
    session: Session, revision: int, *, scope: Scope = ALL, limit: int = SHOWN
) -> list[RevisionLine]:
    """What a revision changed, by kind and pattern; at most `limit` rows of each side."""
    sides: list[dict[Key, StoredRule]] = []
    for column in (StoredRule.until_revision, StoredRule.since_revision):
        asked = select(StoredRule).where(column == revision, is_within(scope))
        ordered = asked.order_by(StoredRule.kind, StoredRule.pattern).limit(limit)
        sides.append({_key(rule): rule for rule in session.scalars(ordered)})
    ended, begun = sides
    return [RevisionLine(key, ended.get(key), begun.get(key)) for key in sorted({*ended, *begun})]


def _key(rule: StoredRule) -> Key:
    return RuleKind(rule.kind), rule.pattern


def _conditions(session: Session, wanted: Wanted) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.prefix:
        # What stands before the @ is not searched: it would be guessed sign by sign.
        is_address = wanted.kind == RuleKind.ADDRESS
        column = domain_of(StoredRule.pattern) if is_address else StoredRule.pattern
        found.append(column.startswith(_canonical_prefix(wanted.prefix), autoescape=True))
    if wanted.kind:
        found.append(StoredRule.kind == wanted.kind)
    if wanted.account_class:
        found.append(StoredRule.account_class == wanted.account_class)
    if wanted.homeserver:
        found.append(StoredRule.homeserver == wanted.homeserver)
    if wanted.organisation:
        found.append(StoredRule.organisation.startswith(wanted.organisation, autoescape=True))
    if wanted.changed_since:
        found.append(StoredRule.since_revision >= _first_since(session, wanted.changed_since))
    return found


def _canonical_prefix(typed: str) -> str:
    """In A-labels where it is a whole domain; else the beginning of one, in small letters."""
    text = typed.strip().removeprefix("@").removeprefix("*.")
    if text.isascii():
        return text.lower()
    try:
        return parse_domain(text)
    except InvalidAddress:
        return text.lower()


def _first_since(session: Session, moment: datetime) -> int:
    asked = select(RuleRevision.number).where(RuleRevision.published_at >= moment)
    found = session.scalar(asked.order_by(RuleRevision.number).limit(1))
    return found if found is not None else 2**31 - 1
