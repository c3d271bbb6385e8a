"""What a change of rules means for those who asked for its domains: whom it answers, by how many mails."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, exists, func, or_, select
from sqlalchemy.orm import Session

from domain_rules.rule import Rule, RuleKind
from identity.rule_changes import change_models
from identity.rule_changes.change_models import Act, Change, ChangeLine

from . import in_force
from .deciding import PACE
from .models import PENDING, DomainRequest, DomainRequester

HOUR: Final = timedelta(hours=1)
MOST: Final = 10_000  # pending requests that are compared with suffixes


def describe_answered(session: Session, now: datetime, change: Change) -> dict[str, int]:
    """The requests that it answers, or answered: how many, whom it mails, and for how long.

    `requests`: of the domains that it puts or opens by a suffix, undecided or accepted by it.
    `people`: who asked, each gets one mail once it is applied. `hours`: until the last one leaves.
    One query, four if it puts a suffix.
    """
    is_answered = or_(
        DomainRequest.state.in_(PENDING) & DomainRequest.domain.in_(_put(change)),
        DomainRequest.change_id == change.id,
    )
    has_suffix, requests, people = _count(session, change, is_answered)
    if has_suffix:
        wide = _suffixes(session, change)
        below = [each.id for each in _opened_below(session, now, wide, _below(session, wide))]
        _, requests, people = _count(session, change, is_answered | DomainRequest.id.in_(below))
    return {
        "requests": requests,
        "people": people,
        "hours": math.ceil(people * PACE / HOUR),
    }


def _count(session: Session, change: Change, which: ColumnElement[bool]) -> tuple[bool, int, int]:
    """Whether the change puts a suffix; the requests of which this is so, and who asked."""
    has_suffix = exists().where(*_puts(change, RuleKind.SUFFIX))
    asked = (
        select(has_suffix, func.count(DomainRequest.id.distinct()), func.count(DomainRequester.id))
        .select_from(DomainRequest)
        .outerjoin(
            DomainRequester,
            (DomainRequester.request_id == DomainRequest.id)
            & DomainRequester.withdrawn_at.is_(None),
        )
        .where(which)
    )
    found = session.execute(asked).one()
    return bool(found[0]), found[1], found[2]


def find_named(session: Session, change: Change) -> list[DomainRequest]:
    """The pending requests for domains that it puts, or that lie below a suffix that it puts."""
    pending = select(DomainRequest).where(
        DomainRequest.state.in_(PENDING), DomainRequest.domain.in_(_put(change))
    )
    found = list(session.scalars(pending))
    if wide := _suffixes(session, change):
        known = {each.id for each in found}
        found += [each for each in _below(session, wide) if each.id not in known]
    return found


def _put(change: Change) -> Any:
    return select(ChangeLine.pattern).where(*_puts(change, RuleKind.DOMAIN))


def _puts(change: Change, kind: RuleKind) -> tuple[Any, ...]:
    line = ChangeLine
    return line.change_id == change.id, line.act == Act.PUT, line.kind == kind.value


def _suffixes(session: Session, change: Change) -> dict[str, Rule]:
    """The rules for suffixes that it puts, by pattern."""
    lines = session.scalars(select(ChangeLine).where(*_puts(change, RuleKind.SUFFIX)))
    return {each.pattern: change_models.rule_of(each) for each in lines}


def _below(session: Session, wide: dict[str, Rule]) -> list[DomainRequest]:
    pending = select(DomainRequest).where(DomainRequest.state.in_(PENDING))
    found = session.scalars(pending.order_by(DomainRequest.number).limit(MOST))
    return [each for each in found if _suffix_of(each.domain, wide)]


def _opened_below(
    session: Session, now: datetime, wide: dict[str, Rule], below: Sequence[DomainRequest]
) -> list[DomainRequest]:
    """Those that the suffix answers: no narrower rule in force decides for their domain."""
    decides = in_force.find_rules(session, now, [each.domain for each in below])
    found = []
    for each in below:
        suffix, rule = _suffix_of(each.domain, wide), decides.get(each.domain)
        is_narrower = rule is not None and (
            rule.kind is RuleKind.DOMAIN or len(rule.pattern) > len(suffix)
        )
        if not is_narrower and in_force.state_by(wide[suffix]):
            found.append(each)
    return found


def _suffix_of(domain: str, wide: dict[str, Rule]) -> str:
    """The narrowest of these suffixes above a domain, or of the domain itself; "" for none."""
    while domain and domain not in wide:
        domain = domain.partition(".")[2]
    return domain
