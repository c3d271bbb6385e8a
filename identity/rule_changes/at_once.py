"""Makes a change that was counted already, and applies or proposes it, in one transaction.

So no command leaves a change half made behind: either all of it is there, or nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from domain_rules.rule import Rule
from identity.core.journal import Actor
from identity.core.sealing import PublicHalf
from identity.homeservers import models as homeservers, service as homeserver_changes
from identity.homeservers.service import NewHomeserver
from identity.routing import models as rules
from identity.settings import Settings

from . import applying, approvals, changes, checking, service
from .change_models import Change, ChangeState, Origin
from .checking import Checked
from .impact import ShowProgress
from .service import Key


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What somebody asks for. `servers`: homeservers to register first, unless they are known."""

    title: str
    put: Sequence[Rule] = ()
    take_away: Sequence[Key] = ()
    servers: Sequence[NewHomeserver] = ()
    origin: Origin = Origin.EDIT
    allows_public: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of it. `change`: null if there was nothing to change.

    `revision`: in force afterwards. `needs_approval`: it is proposed, and not in force.
    """

    change: Change | None
    revision: int
    servers: tuple[str, ...] = ()
    needs_approval: bool = False


def count(
    session: Session, now: datetime, wanted: Wanted, follow: ShowProgress | None = None
) -> Checked:
    """Whom it would affect. Raises UnknownHomeserver."""
    base = rules.current_number(session)
    gone = rules.find(session, wanted.take_away, revision=base)
    new = [server.name for server in wanted.servers]
    difference = service.compare(session, put=wanted.put, take_away=gone, also_known=new)
    return checking.count_difference(session, now, difference, follow)


def find_missing(session: Session, wanted: Wanted) -> list[NewHomeserver]:
    """Those of its homeservers that are not registered."""
    return [each for each in wanted.servers if homeservers.find(session, each.name) is None]


def settle(
    session: Session,
    settings: Settings,
    public: PublicHalf,
    now: datetime,
    who: Actor,
    *,
    wanted: Wanted,
    checked: Checked,
    breaks_glass: bool = False,
) -> Outcome | None:
    """Make the change and apply it, or propose it where another person is needed.

    `breaks_glass`: apply it in any case, for the reason in `who`. None: what was counted has moved
    meanwhile, and nothing was written. Raises WrongHomeserver, TargetNotReady, WrongParameter.
    """
    if checking.basis_of(session, checked.difference) != checked.basis:
        return None
    missing = find_missing(session, wanted)
    for server in missing:
        homeserver_changes.register(session, public, now, server, who)
    names = tuple(server.name for server in missing)
    difference = checked.difference
    if difference.is_empty:
        return Outcome(None, difference.base, names)
    change = _make(session, now, who, wanted, checked)
    if breaks_glass:
        approvals.promise_without_approval(session, now, who, change, approver=None)
    elif approvals.needs_two(session, settings):
        changes.propose(session, now, who, change)
        return Outcome(change, difference.base, names, needs_approval=True)
    else:
        approvals.promise_alone(session, settings, now, who, change)
    number = applying.publish(session, now, who, change, checked, before=(ChangeState.APPROVED,))
    return Outcome(change, number, names)


def _make(session: Session, now: datetime, who: Actor, wanted: Wanted, checked: Checked) -> Change:
    """The checked change, with those lines that change something."""
    begun = {(rule.kind, rule.pattern) for rule in checked.difference.begun}
    change = changes.make(
        session,
        now,
        who,
        title=wanted.title,
        origin=wanted.origin,
        put=[rule for rule in wanted.put if (rule.kind, rule.pattern) in begun],
        take_away=[(rule.kind, rule.pattern) for rule in checked.difference.removed],
        allows_public=wanted.allows_public,
    )
    checking.store(session, now, change, checked, (ChangeState.DRAFT,))
    return change
