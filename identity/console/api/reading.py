"""Reads what programs send: moments, domains; and what lies within a token's scope."""

from datetime import UTC, datetime
from enum import Enum

from sqlalchemy import ColumnElement, true
from sqlalchemy.orm import InstrumentedAttribute, Session

from domain_rules.address_faults import InvalidAddress
from domain_rules.addresses import parse_domain
from domain_rules.rule import RuleKind
from identity.core import rows
from identity.operators.roles import Scope
from identity.problems import ScopeNeeded
from identity.routing.models import StoredRule

from . import frame, guards


def moment(field: str, text: str) -> datetime:
    """A moment in ISO 8601 with its zone. Raises WrongParameter."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        read = None
    if read is None or read.tzinfo is None:
        raise frame.wrong(field, "A moment is written as 2026-03-14T16:31:00+01:00.")
    try:
        return read.astimezone(UTC)
    except OverflowError:
        raise frame.wrong(field, "This moment is too far away.") from None


def domain(field: str, text: str) -> str:
    """A domain in A-labels. Raises WrongParameter."""
    try:
        return parse_domain(text)
    except InvalidAddress as error:
        raise frame.wrong(field, f"This is not a domain: {error}") from None


def rules_within(scope: Scope) -> ColumnElement[bool]:
    """Which stored rules lie within a scope."""
    if scope.is_all:
        return true()
    return StoredRule.homeserver.in_(scope.homeservers) | StoredRule.organisation.in_(
        scope.organisations
    )


def named_within(scope: Scope, name: InstrumentedAttribute[str]) -> ColumnElement[bool]:
    """Which rows belong to homeservers of a scope, by the column that names theirs."""
    return true() if scope.is_all else name.in_(scope.homeservers)


def check_domain_in_scope(session: Session, name: str) -> None:
    """Raises ScopeNeeded unless a rule of this domain lies within the token's scope."""
    scope = guards.program().scope
    if scope.is_all:
        return
    row = StoredRule
    own = (row.kind == RuleKind.DOMAIN, row.pattern == name, row.until_revision.is_(None))
    if not rows.is_any(session, *own, rules_within(scope)):
        raise ScopeNeeded


def one_of(field: str, text: str | None, kinds: type[Enum]) -> None:
    """Raises WrongParameter unless a filter is one of these words, or not given."""
    words = [str(each.value) for each in kinds]
    if text and text not in words:
        raise frame.wrong(field, f"{field} is one of {', '.join(words)}.")
