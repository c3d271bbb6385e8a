"""What a change of rules means for those who asked for its domains: whom it answers, by how many mails."""

import math
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from domain_rules.rule import RuleKind
from identity.rule_changes.change_models import Act, Change, ChangeLine

from .deciding import PACE
from .models import PENDING, DomainRequest, DomainRequester

HOUR: Final = timedelta(hours=1)


def describe_answered(session: Session, change: Change) -> dict[str, int]:
    """The requests that it answers, or answered: how many, whom it mails, and for how long.

    `requests`: of the domains that it puts, undecided or accepted by it. `people`: who asked, each
    gets one mail once it is applied. `hours`: until the last one leaves. One query.
    """
    put = select(ChangeLine.pattern).where(
        ChangeLine.change_id == change.id,
        ChangeLine.act == Act.PUT,
        ChangeLine.kind == RuleKind.DOMAIN.value,
    )
    is_answered = or_(
        DomainRequest.state.in_(PENDING) & DomainRequest.domain.in_(put),
        DomainRequest.change_id == change.id,
    )
    asked = (
        select(func.count(DomainRequest.id.distinct()), func.count(DomainRequester.id))
        .outerjoin(
            DomainRequester,
            (DomainRequester.request_id == DomainRequest.id)
            & DomainRequester.withdrawn_at.is_(None),
        )
        .where(is_answered)
    )
    requests, people = session.execute(asked).one()
    facts: dict[str, Any] = {"requests": requests, "people": people}
    return {**facts, "hours": math.ceil(people * PACE / HOUR)}
