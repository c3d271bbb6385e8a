"""Reads what programs send: moments, domains; and what lies within a token's scope."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Final

from domain_rules.address_faults import InvalidAddress
from domain_rules.addresses import parse_domain
from identity.problems import ScopeNeeded
from identity.rule_changes import domain_scopes
from identity.web.request_context import services

from . import frame, guards

LONGEST: Final = timedelta(hours=72)


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


def end(field: str, text: str, now: datetime) -> datetime:
    """When a stop ends by itself, within 72 hours. Raises WrongParameter."""
    until = moment(field, text)
    if not now < until <= now + LONGEST:
        hours = int(LONGEST.total_seconds() // 3600)
        raise frame.wrong(field, f"A stop ends within {hours} hours; extend it then.")
    return until


def domain(field: str, text: str) -> str:
    """A domain in A-labels. Raises WrongParameter."""
    try:
        return parse_domain(text)
    except InvalidAddress as error:
        raise frame.wrong(field, f"This is not a domain: {error}") from None


def check_domain_in_scope(name: str, *, with_below: bool = False) -> None:
    """Raises ScopeNeeded unless this domain lies within the token's scope.

    `with_below`: also if a domain below it lies outside.
    """
    is_inside = domain_scopes.is_whole_within if with_below else domain_scopes.is_within
    if not is_inside(guards.program().scope, services.rules.current(), name):
        raise ScopeNeeded


def one_of(field: str, text: str | None, kinds: type[Enum]) -> None:
    """Raises WrongParameter unless a filter is one of these words, or not given."""
    named_in(field, text, [str(each.value) for each in kinds])


def named_in(field: str, text: str | None, names: Collection[str]) -> None:
    """Raises WrongParameter unless a parameter is one of these names, or not given."""
    if text and text not in names:
        raise frame.wrong(field, f"{field} is one of {', '.join(names)}.")
