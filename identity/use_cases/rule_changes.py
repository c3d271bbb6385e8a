"""Rules change in revisions: a difference against a base, published whole or not at all."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from domain_rules.rules import Kind, Rule
from identity import problems
from identity.storage import homeservers, rules
from identity.storage.rules import RuleRevision

Key = tuple[Kind, str]


@dataclass(frozen=True)
class Difference:
    """What publishing would do. `changed` holds pairs of the rule of now and the rule to be."""

    base: int
    added: tuple[Rule, ...] = ()
    removed: tuple[Rule, ...] = ()
    changed: tuple[tuple[Rule, Rule], ...] = ()
    unchanged: int = 0

    @property
    def is_empty(self) -> bool:
        return not (self.added or self.removed or self.changed)

    @property
    def summary(self) -> str:
        """`+3 -0 ~1`: added, removed, changed."""
        return f"+{len(self.added)} -{len(self.removed)} ~{len(self.changed)}"


def compare(
    session: Session, *, put: Iterable[Rule] = (), take_away: Iterable[Rule] = ()
) -> Difference:
    """The difference that putting and taking away these rules makes to the newest revision.

    Raises UnknownHomeserver for a rule of a homeserver that is not registered.
    """
    base = rules.current_number(session)
    now = {_key(rule): rule for rule in rules.load(session, base)}
    wanted = {_key(rule): rule for rule in put}
    _check_homeservers(session, wanted.values())
    return Difference(
        base=base,
        added=tuple(rule for key, rule in wanted.items() if key not in now),
        removed=tuple(now[_key(rule)] for rule in take_away if _key(rule) in now),
        changed=tuple(
            (now[key], rule) for key, rule in wanted.items() if key in now and now[key] != rule
        ),
        unchanged=sum(now.get(key) == rule for key, rule in wanted.items()),
    )


def publish(
    session: Session, now: datetime, difference: Difference, *, author: str, reason: str
) -> int:
    """Make the difference the next revision. Its number; the base's if there is nothing to change.

    Raises BaseMoved if somebody published since the difference was made: nothing is written then.
    """
    if difference.is_empty:
        return difference.base
    if rules.current_number(session) != difference.base:
        raise problems.BaseMoved
    revision = RuleRevision(
        number=difference.base + 1,
        based_on=difference.base,
        published_at=now,
        author=author,
        reason=reason,
        summary=difference.summary,
    )
    try:
        with session.begin_nested():
            rules.write(
                session,
                revision,
                removed=[*difference.removed, *(old for old, _ in difference.changed)],
                added=[*difference.added, *(new for _, new in difference.changed)],
            )
    except IntegrityError:
        raise problems.BaseMoved from None
    return revision.number


def _key(rule: Rule) -> Key:
    return rule.kind, rule.pattern


def _check_homeservers(session: Session, wanted: Iterable[Rule]) -> None:
    known = [homeserver.name for homeserver in homeservers.every(session)]
    for rule in wanted:
        for name in (rule.homeserver, rule.protected_homeserver):
            if name is not None and name not in known:
                raise problems.UnknownHomeserver(name, difflib.get_close_matches(name, known))
