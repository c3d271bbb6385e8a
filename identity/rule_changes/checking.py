"""Counts whom a change of rules affects: every known address is decided by both rule sets.

It may take seconds, so no writing transaction is open meanwhile. What was counted holds as long as
the revision and the known addresses are the same; `Basis` says whether they are.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from domain_rules.rules import RuleSet
from identity.accounts.models import Account, AccountState
from identity.core import rows
from identity.routing import models as rules
from identity.threepids.associations import Association

from . import changes, drafts, service
from .change_models import Change, ChangeEffect, ChangeState
from .impact import Replay, ShowProgress, replay
from .service import Difference

WORSE: Final = ("lose_access", "change_homeserver", "become_guests")
"""The effects whose numbers are a promise: more people than approved, and nothing is published."""


@dataclass(frozen=True)
class Basis:
    """What was counted: the revision, and how many known addresses of which newest moment."""

    revision: int
    addresses: int
    newest: datetime | None


@dataclass(frozen=True)
class Checked:
    """A difference with its moves completed, and whom it affects."""

    difference: Difference
    replayed: Replay
    basis: Basis

    @property
    def counts(self) -> dict[str, Any]:
        """For the row: the fields of `Impact`, and the difference in numbers."""
        counts = asdict(self.replayed.impact)
        del counts["domains"]
        found = self.difference
        return counts | {
            "added": len(found.added),
            "removed": len(found.removed),
            "changed": len(found.changed),
            "unchanged": found.unchanged,
            "revision": found.base,
        }


def basis_of(session: Session) -> Basis:
    """What a check of this moment counts. It asks indexes and reads no address."""
    bound, newest = session.execute(
        select(func.count(), func.max(Association.bound_at)).where(Association.medium == "email")
    ).one()
    made = rows.count(session, Account.state == AccountState.READY)
    return Basis(rules.current_number(session), bound + made, newest)


def count(
    session: Session, now: datetime, change: Change, follow: ShowProgress | None = None
) -> Checked:
    """Compare the change with the newest revision, and decide every known address by both.

    Raises UnknownHomeserver.
    """
    basis = basis_of(session)
    difference = changes.compare(session, change)
    here = service.by_key(rules.load(session, difference.base))
    old = RuleSet.compile(here.values(), revision=difference.base, at=now)
    gone = service.by_key(difference.ended)
    kept = [rule for key, rule in here.items() if key not in gone]
    new = RuleSet.compile([*kept, *difference.begun], revision=difference.base + 1, at=now)
    replayed = replay(session, old, new, follow)
    whole = drafts.with_moves(difference, old, replayed.left_behind, now)
    return Checked(whole, replayed, basis)


def store(session: Session, now: datetime, change: Change, checked: Checked) -> bool:
    """Store what was counted. False if the change was edited or abandoned meanwhile."""
    done = changes.move(
        session,
        change,
        (ChangeState.CHECKING,),
        ChangeState.CHECKED,
        counts=checked.counts,
        base=checked.difference.base,
        checked_at=now,
        changed_at=now,
        done=checked.replayed.impact.known,
        to_check=checked.replayed.impact.known,
    )
    if done:
        rows.delete(session, ChangeEffect, ChangeEffect.change_id == change.id)
        session.add_all(_effects(change, checked))
        session.flush()
    return done


def worse_than_promised(promised: dict[str, Any], counts: dict[str, Any]) -> list[str]:
    """The effects that hit more addresses than were approved."""
    return [name for name in WORSE if counts.get(name, 0) > promised.get(name, 0)]


def _effects(change: Change, checked: Checked) -> Iterable[ChangeEffect]:
    for (effect, domain), number in checked.replayed.by_domain.items():
        yield ChangeEffect(change_id=change.id, effect=effect, domain=domain, count=number)


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
