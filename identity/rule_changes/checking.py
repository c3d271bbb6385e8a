"""Counts whom a change of rules affects: the addresses that it can reach are decided by both rule sets.

It may take seconds, so no writing transaction is open meanwhile. What was counted holds as long as
the revision and the addresses in reach are the same; `Basis` says whether they are.
"""

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from domain_rules.rules import RuleSet
from identity.accounts.models import Account, AccountState
from identity.core import rows
from identity.routing import models as rules
from identity.threepids.associations import Association

from . import changes, lines, moves, scopes, service, warnings
from .change_models import AT_ONCE, Change, ChangeEffect, ChangeState
from .impact import Replay, ShowProgress, replay
from .reach import reach_of
from .service import Difference

WORSE: Final = ("lose_access", "change_homeserver", "become_guests")
"""The effects whose numbers are a promise: more people than approved, and nothing is published."""


@dataclass(frozen=True)
class Basis:
    """What was counted: the revision, and how many addresses in reach of which newest moment."""

    revision: int
    addresses: int
    newest: datetime | None


@dataclass(frozen=True)
class Checked:
    """A difference with its moves completed, whom it affects, and what else is to be seen."""

    difference: Difference
    replayed: Replay
    basis: Basis
    warnings: tuple[dict[str, Any], ...] = ()

    @property
    def counts(self) -> dict[str, Any]:
        """For the row: the fields of `Impact`, the difference in numbers, and the warnings."""
        counts = asdict(self.replayed.impact)
        del counts["domains"]
        found = self.difference
        return counts | {
            "added": len(found.added),
            "removed": len(found.removed),
            "changed": len(found.changed),
            "unchanged": found.unchanged,
            "revision": found.base,
            "warnings": list(self.warnings),
        }


def basis_of(session: Session, difference: Difference) -> Basis:
    """What a check of this difference would count now. It asks indexes and reads no address."""
    reach = reach_of([*difference.ended, *difference.begun])
    counted = select(func.count(), func.max(Association.bound_at))
    bound = [
        session.execute(counted.where(Association.medium == "email", condition)).one()
        for condition in reach.conditions(Association.address)
    ]
    made = [
        rows.count(session, Account.state == AccountState.READY, condition)
        for condition in reach.conditions(Account.address)
    ]
    newest = max((moment for _, moment in bound if moment), default=None)
    return Basis(
        rules.current_number(session), sum(number for number, _ in bound) + sum(made), newest
    )


def count(
    session: Session, now: datetime, change: Change, follow: ShowProgress | None = None
) -> Checked:
    """Compare a stored change with the newest revision, and decide every known address by both.

    Raises UnknownHomeserver.
    """
    return count_difference(session, now, lines.compare(session, change), follow)


def count_difference(
    session: Session, now: datetime, difference: Difference, follow: ShowProgress | None = None
) -> Checked:
    """Decide known addresses by the rules in force and by those after this difference.

    Those that it cannot reach stay as they are, and are not read. Its moves are completed. An empty difference affects nobody, and nothing is read.
    """
    basis = replace(basis_of(session, difference), revision=difference.base)
    if difference.is_empty:
        return Checked(difference, Replay(), basis)
    here = service.by_key(rules.load(session, difference.base))
    old = RuleSet.compile(here.values(), revision=difference.base, at=now)
    gone = service.by_key(difference.ended)
    kept = [rule for key, rule in here.items() if key not in gone]
    new = RuleSet.compile([*kept, *difference.begun], revision=difference.base + 1, at=now)
    reach = reach_of([*difference.ended, *difference.begun])
    replayed = replay(session, old, new, follow, reach=reach)
    whole = moves.with_moves(difference, old, replayed.left_behind, now)
    return Checked(whole, replayed, basis, tuple(warnings.find(session, now, whole, new)))


def store(
    session: Session,
    now: datetime,
    change: Change,
    checked: Checked,
    before: tuple[ChangeState, ...] = (ChangeState.CHECKING,),
) -> bool:
    """Store what was counted. False if the change was edited or abandoned meanwhile."""
    known = checked.replayed.impact.known
    counted = {"counts": checked.counts, "base": checked.difference.base}
    moments = {"checked_at": now, "changed_at": now, "done": known, "to_check": known}
    done = changes.move(session, change, before, ChangeState.CHECKED, **counted, **moments)
    if done:
        store_effects(session, change.id, checked)
        scopes.record_anew(session, change, checked.difference)
    return done


def store_effects(session: Session, change_id: uuid.UUID, checked: Checked) -> None:
    """Store the counts by domain, in place of those of the check before."""
    rows.delete(session, ChangeEffect, ChangeEffect.change_id == change_id)
    effects = [
        {"change_id": change_id, "effect": effect, "domain": domain, "count": number}
        for (effect, domain), number in checked.replayed.by_domain.items()
    ]
    for start in range(0, len(effects), AT_ONCE):
        session.execute(insert(ChangeEffect), effects[start : start + AT_ONCE])


def record_progress(session: Session, change_id: uuid.UUID, *, done: int, total: int) -> None:
    """How far the worker has come with a check."""
    rows.update(session, Change, Change.id == change_id, done=done, to_check=total)


def find_effects(
    session: Session, change_id: uuid.UUID, *, effect: str | None = None, limit: int = 200
) -> Sequence[ChangeEffect]:
    """The effects by domain as of the last check, the largest first."""
    asked = select(ChangeEffect).where(ChangeEffect.change_id == change_id)
    if effect is not None:
        asked = asked.where(ChangeEffect.effect == effect)
    ordered = asked.order_by(ChangeEffect.count.desc(), ChangeEffect.effect, ChangeEffect.domain)
    return session.scalars(ordered.limit(limit)).all()


def worse_than_promised(promised: dict[str, Any], counts: dict[str, Any]) -> list[str]:
    """The effects that hit more addresses than were approved."""
    return [name for name in WORSE if counts.get(name, 0) > promised.get(name, 0)]


Progress = Callable[[int, int], None]
"""Called with how many addresses are done, and how many there are."""


def following(progress: Progress, every: int = 5_000) -> ShowProgress:
    """A `ShowProgress` that calls `progress` from time to time."""

    def follow(rows: Iterable[Any], total: int) -> Iterable[Any]:
        for number, row in enumerate(rows, 1):
            yield row
            if number % every == 0:
                progress(number, total)

    return follow
