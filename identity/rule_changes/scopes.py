"""Which operators see a change of rules: those whose scope covers everything that it touches.

What a change touches is recorded with its lines and again by its check, so that lists are filtered
by the database.
"""

import uuid
from collections.abc import Iterable, Sequence

from sqlalchemy import ColumnElement, exists, func, insert, or_, select, true
from sqlalchemy.orm import Session

from domain_rules.rule import Rule, RuleKind
from identity.core import rows
from identity.operators.roles import Scope
from identity.problems import NotPermitted
from identity.routing import models as rules

from .change_models import Change, ChangeLine, ChangeTouch
from .service import Difference, Key

Touch = tuple[str, str]
"""Homeserver and organisation."""
WHOLE: Touch = "", ""
"""It takes an operator of the whole federation."""


def is_within(scope: Scope) -> ColumnElement[bool]:
    """The condition that a change touches nothing outside this scope. Of others nobody is told."""
    if scope.is_all:
        return true()
    inside = or_(
        ChangeTouch.homeserver.in_(scope.homeservers),
        ChangeTouch.organisation.in_(scope.organisations),
    )
    return ~exists().where(ChangeTouch.change_id == Change.id, ~inside)


def covers(session: Session, scope: Scope, change: Change) -> bool:
    """Whether the change touches nothing outside this scope, as of its last edit or check."""
    if scope.is_all:
        return True
    asked = select(ChangeTouch).where(ChangeTouch.change_id == change.id)
    return all(
        scope.covers(homeserver=touch.homeserver, organisation=touch.organisation or None)
        for touch in session.scalars(asked)
    )


def check_rules(session: Session, scope: Scope, touched: Sequence[Rule]) -> None:
    """Raises NotPermitted if one of these rules lies outside; it is not said which."""
    inside = (
        scope.covers(homeserver=homeserver, organisation=organisation or None)
        for homeserver, organisation in touches_of(session, touched)
    )
    if not scope.is_all and not all(inside):
        raise NotPermitted("A line of this change lies outside what you look after.")


def touches_of(session: Session, touched: Sequence[Rule]) -> set[Touch]:
    """What these rules belong to. A sibling belongs to what the domain that it names belongs to."""
    named = {rule.sibling_of for rule in touched if rule.sibling_of}
    keys: list[Key] = [(RuleKind.DOMAIN, name) for name in sorted(named)]
    homes = {rule.pattern: rule for rule in rules.find_in_force(session, keys)}
    found: set[Touch] = set()
    for rule in touched:
        home = homes.get(rule.sibling_of or "", rule)
        is_whole = rule.kind is RuleKind.DEFAULT or home.homeserver is None
        found.add(WHOLE if is_whole else (home.homeserver or "", home.organisation))
    return found


def record(session: Session, change_id: uuid.UUID, touched: Iterable[Rule]) -> None:
    """Add what these rules belong to, of lines that are added."""
    known = set(_find(session, change_id))
    fresh = [
        {"change_id": change_id, "homeserver": homeserver, "organisation": organisation}
        for homeserver, organisation in sorted(touches_of(session, list(touched)) - known)
    ]
    if fresh:
        session.execute(insert(ChangeTouch), fresh)


def record_anew(session: Session, change: Change, difference: Difference) -> None:
    """Record what the change touches by its check, in place of what was recorded before."""
    forget(session, change.id)
    record(session, change.id, [*difference.ended, *difference.begun])


def forget(session: Session, change_id: uuid.UUID) -> None:
    """Delete what was recorded of a change."""
    rows.delete(session, ChangeTouch, ChangeTouch.change_id == change_id)


def count_lines_of_all(session: Session, change: Change) -> int:
    """How many of its lines only an approver of the whole federation lets in: free mail and such."""
    own = ChangeLine.change_id == change.id
    counted = select(func.count()).select_from(ChangeLine).where(own, ChangeLine.allows_public)
    return session.scalar(counted) or 0


def _find(session: Session, change_id: uuid.UUID) -> list[Touch]:
    asked = select(ChangeTouch.homeserver, ChangeTouch.organisation)
    found = session.execute(asked.where(ChangeTouch.change_id == change_id))
    return [(homeserver, organisation) for homeserver, organisation in found]
