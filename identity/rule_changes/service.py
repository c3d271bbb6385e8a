"""Changing rules: compute the difference to the newest revision, and publish it as the next."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from domain_rules.rule import Rule, RuleKind
from domain_rules.rules import RuleSet, looked_for
from identity import problems
from identity.core import journal
from identity.core.journal import Actor
from identity.homeservers import models as homeservers
from identity.routing import models as rules
from identity.routing.models import RuleRevision

Key = tuple[RuleKind, str]
MAX_NAMED = 20  # rules of one publication that the journal names


@dataclass(frozen=True)
class Difference:
    """What publishing would change. `changed` has pairs of the old and the new rule."""

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

    @property
    def ended(self) -> list[Rule]:
        """The rules of the base that are removed or replaced."""
        return [*self.removed, *(old for old, _ in self.changed)]

    @property
    def begun(self) -> list[Rule]:
        """The rules that are added or replace one of the base."""
        return [*self.added, *(new for _, new in self.changed)]


def compare(
    session: Session,
    *,
    put: Iterable[Rule] = (),
    take_away: Iterable[Rule] = (),
    whole: bool = False,
    also_known: Iterable[str] = (),
) -> Difference:
    """The difference from the newest revision after adding or replacing and removing rules.

    `whole`: rules that are not in `put` are removed. A rule without a move keeps the move of the
    rule it replaces. Raises UnknownHomeserver for a homeserver that is neither registered nor in
    `also_known`.
    """
    base, new = rules.current_number(session), by_key(put)
    named = [_key(rule) for rule in take_away]
    now = by_key(
        rules.load(session, base) if whole else rules.find(session, [*new, *named], revision=base)
    )
    wanted = {key: _with_its_move(rule, now.get(key)) for key, rule in new.items()}
    _check_homeservers(session, wanted.values(), also_known)
    gone = [key for key in now if key not in wanted] if whole else named
    return difference_between(base, now, wanted, gone)


def compare_revisions(session: Session, older: int, newer: int) -> Difference:
    """The difference between two revisions. Raises NoSuchRevision."""
    then, since = (by_key(rules.load(session, required(session, n))) for n in (older, newer))
    return difference_between(older, then, since, [key for key in then if key not in since])


def compare_to_revision(session: Session, number: int) -> Difference:
    """The difference from the newest revision to an older one, to publish that again.

    Raises NoSuchRevision, and UnknownHomeserver if one of its homeservers is not registered now.
    """
    back = rules.load(session, required(session, number))
    return compare(session, put=back, whole=True)


def rules_at(session: Session, now: datetime, revision: int | None) -> RuleSet:
    """The rule set of a revision at the end of its time; without a number, the current one.

    Raises NoSuchRevision.
    """
    return rules.load_rule_set(session, at=_end_of(session, now, revision), revision=revision)


def rules_for(
    session: Session, now: datetime, revision: int | None, address: EmailAddress
) -> RuleSet:
    """As `rules_at`, but of this address alone: the rule set advises on it as that of all rules.

    Only where no rule of its own decides are all of them read: it may be a typing error.
    """
    number = rules.current_number(session) if revision is None else required(session, revision)
    moment = _end_of(session, now, revision)
    found = rules.find(session, [*looked_for(address)], revision=number)
    few = RuleSet.compile(found, revision=number, at=moment)
    decided = few.decide(address).rule
    if decided is not None and decided.kind is not RuleKind.DEFAULT:
        return few
    return rules.load_rule_set(session, at=moment, revision=number)


def _end_of(session: Session, now: datetime, revision: int | None) -> datetime:
    """When a revision was replaced; now for the current one. Raises NoSuchRevision."""
    if revision is None:
        return now
    following = session.get(RuleRevision, required(session, revision) + 1)
    return following.published_at if following else now


def publish(session: Session, now: datetime, difference: Difference, who: Actor) -> int:
    """Publish the difference as the next revision; its number, or the base's if it is empty.

    Raises BaseMoved if another revision was published since; then nothing is written.
    """
    if difference.is_empty:
        return difference.base
    if rules.current_number(session) != difference.base:
        raise problems.BaseMoved
    revision = RuleRevision(
        number=difference.base + 1,
        based_on=difference.base,
        published_at=now,
        author=who.name,
        reason=who.reason,
        summary=difference.summary,
    )
    try:
        with session.begin_nested():
            rules.write(session, revision, removed=difference.ended, added=difference.begun)
    except IntegrityError:
        raise problems.BaseMoved from None
    facts = _facts(difference) | {"digest": rules.digest(session, revision.number)}
    subject = f"revision {revision.number}"
    journal.write(session, now, who, action="rules.publish", subject=subject, facts=facts)
    return revision.number


def difference_between(
    base: int, now: Mapping[Key, Rule], wanted: Mapping[Key, Rule], gone: Iterable[Key]
) -> Difference:
    """The difference from `now`. `gone`: the keys to remove; other rules of `now` stay."""
    return Difference(
        base=base,
        added=tuple(rule for key, rule in wanted.items() if key not in now),
        removed=tuple(now[key] for key in gone if key in now),
        changed=tuple(
            (now[key], rule) for key, rule in wanted.items() if key in now and now[key] != rule
        ),
        unchanged=sum(now.get(key) == rule for key, rule in wanted.items()),
    )


def by_key(found: Iterable[Rule]) -> dict[Key, Rule]:
    """The rules by kind and pattern, which are unique in a revision."""
    return {_key(rule): rule for rule in found}


def _key(rule: Rule) -> Key:
    return rule.kind, rule.pattern


def _with_its_move(rule: Rule, old: Rule | None) -> Rule:
    says_nothing = not rule.moved_from and rule.moving_until is None
    if old is None or not says_nothing or rule.homeserver != old.homeserver:
        return rule
    return replace(rule, moved_from=old.moved_from, moving_until=old.moving_until)


def required(session: Session, number: int) -> int:
    """The number of a revision that there is. Raises NoSuchRevision."""
    newest = rules.current_number(session)
    if not rules.EMPTY <= number <= newest:
        raise problems.NoSuchRevision(number, newest)
    return number


def _facts(difference: Difference) -> dict[str, object]:
    """The facts for the journal, with the names of up to MAX_NAMED rules."""
    named = {
        "removed": [rule.name for rule in difference.removed],
        "added": [
            f"{rule.name} → {rule.homeserver or rule.sibling_of}" for rule in difference.added
        ],
        "changed": [
            f"{new.name}: {old.homeserver or old.sibling_of} → {new.homeserver or new.sibling_of}"
            for old, new in difference.changed
        ],
    }
    return {
        "base": difference.base,
        "summary": difference.summary,
        **{name: names[:MAX_NAMED] for name, names in named.items() if names},
    }


def _check_homeservers(session: Session, wanted: Iterable[Rule], also_known: Iterable[str]) -> None:
    known = [*(homeserver.name for homeserver in homeservers.find_all(session)), *also_known]
    for rule in wanted:
        for name in (rule.homeserver, rule.protected_homeserver):
            if name is not None and name not in known:
                raise problems.UnknownHomeserver(name, difflib.get_close_matches(name, known))
