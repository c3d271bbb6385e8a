"""Makes the change that reverses another one, against the rules that are in force now.

Rules that others have changed since are named and left as they are, unless the operator ticks them.
"""

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from domain_rules.rule import Rule
from identity.core.journal import Actor
from identity.operators.roles import ALL, Scope
from identity.problems import NotNow

from . import changes, lines, service
from .change_models import Change, ChangeState, Origin
from .service import Key

ALONE_FOR: Final = timedelta(minutes=15)
"""For so long after it was applied, the one who applied it may apply its reversal alone."""


@dataclass(frozen=True)
class Reversal:
    """What was in force before; `touched`: keys that were changed since, by others."""

    put: tuple[Rule, ...]
    take_away: tuple[Key, ...]
    touched: tuple[Key, ...]

    def without(self, keys: Collection[Key]) -> "Reversal":
        """The same, with these keys left as they are now."""
        return Reversal(
            tuple(rule for rule in self.put if (rule.kind, rule.pattern) not in keys),
            tuple(key for key in self.take_away if key not in keys),
            self.touched,
        )


def find_reversal(session: Session, change: Change) -> Reversal:
    """What reverses an applied change. Raises NotNow."""
    if change.state != ChangeState.APPLIED or change.revision is None:
        raise NotNow(f"{change.label} is not in force.")
    back = service.compare_revisions(session, change.revision, change.revision - 1)
    put = (*back.added, *(rule for _, rule in back.changed))
    take_away = tuple((rule.kind, rule.pattern) for rule in back.removed)
    keys = [*((rule.kind, rule.pattern) for rule in put), *take_away]
    touched = lines.find_keys_changed_after(session, keys, change.revision)
    return Reversal(put, take_away, tuple(touched))


def make_reversal(
    session: Session,
    now: datetime,
    who: Actor,
    change: Change,
    *,
    operator_id: uuid.UUID | None = None,
    also: Collection[Key] = (),
    scope: Scope = ALL,
) -> Change:
    """Make the change that reverses it, as a draft. `also`: touched keys to reverse as well.

    Raises NotNow: it is not in force, or nothing of it is left to reverse; NotPermitted: a line
    lies outside `scope`.
    """
    found = find_reversal(session, change)
    kept = found.without(set(found.touched) - set(also))
    if not kept.put and not kept.take_away:
        raise NotNow(f"Nothing of {change.label} is left to reverse: others changed it all since.")
    return changes.make(
        session,
        now,
        who,
        title=f"Roll back {change.label}: {change.title}",
        operator_id=operator_id,
        origin=Origin.ROLL_BACK,
        put=kept.put,
        take_away=kept.take_away,
        reverses=change,
        allows_public=True,
        scope=scope,
    )


def may_apply_alone(
    session: Session, now: datetime, change: Change, operator_id: uuid.UUID
) -> bool:
    """Whether it reverses what this operator applied less than 15 minutes ago, and nothing else.

    Not one that was edited since it was made, nor one that also reverses what others applied.
    """
    reversed_one = change.reverses and session.get(Change, change.reverses)
    if not reversed_one or reversed_one.applied_at is None or reversed_one.revision is None:
        return False
    if change.editors or reversed_one.applied_by_id != operator_id:
        return False
    if now >= reversed_one.applied_at + ALONE_FOR:
        return False
    return not lines.find_touched(session, change, since=reversed_one.revision)
