"""Drafts of rule changes: a difference completed with moves, and its impact on people."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from domain_rules.rule import Rule, RuleKind
from domain_rules.rules import RuleSet
from identity import problems
from identity.core.journal import Actor
from identity.routing import models as rules

from . import service as rule_changes
from .impact import Impact, ShowProgress, replay
from .service import Difference, Key, by_key

MOVING = timedelta(days=60)  # how long a former homeserver is still accepted


@dataclass(frozen=True)
class Draft:
    """A difference to publish, and its impact on the known addresses."""

    difference: Difference
    impact: Impact


def make_draft(
    session: Session, now: datetime, difference: Difference, follow: ShowProgress | None = None
) -> Draft:
    """Complete a difference with the moves it causes, and compute its impact."""
    if difference.is_empty:
        return Draft(difference, Impact())
    here = by_key(rules.load(session, difference.base))
    old = RuleSet.compile(here.values(), revision=difference.base, at=now)
    gone = by_key(difference.ended)
    kept = [rule for key, rule in here.items() if key not in gone]
    new = RuleSet.compile([*kept, *difference.begun], revision=difference.base + 1, at=now)
    replayed = replay(session, old, new, follow)
    return Draft(with_moves(difference, old, replayed.left_behind, now), replayed.impact)


def publish(
    session: Session,
    now: datetime,
    draft: Draft,
    who: Actor,
    *,
    base: int | None = None,
    may_move_accounts: bool = False,
) -> int:
    """Publish the draft; the number of the revision in force afterwards.

    Raises BaseMoved if the newest revision is not the draft's base, or not `base` if that is given,
    and MovesAccounts if accounts would belong to another homeserver, unless `may_move_accounts`.
    """
    if base is not None and base != draft.difference.base:
        raise problems.BaseMoved
    if draft.impact.change_homeserver and not may_move_accounts:
        raise problems.MovesAccounts(draft.impact.change_homeserver)
    return rule_changes.publish(session, now, draft.difference, who)


def with_moves(
    difference: Difference, old: RuleSet, left_behind: Mapping[Key, tuple[str, ...]], now: datetime
) -> Difference:
    """Add the former homeservers to rules that move people, see Rule.former_homeservers."""

    def with_move(rule: Rule, before: Iterable[str | None]) -> Rule:
        also = left_behind.get((rule.kind, rule.pattern), ())
        former = dict.fromkeys(
            name for name in (*before, *also) if name and name != rule.homeserver
        )
        if not former or rule.moved_from or rule.moving_until:
            return rule
        return replace(rule, moved_from=tuple(former), moving_until=now + MOVING)

    def of_rule(rule: Rule | None) -> tuple[str | None, ...]:
        return (rule.homeserver, *rule.former_homeservers(now)) if rule else ()

    return replace(
        difference,
        added=tuple(
            with_move(rule, of_rule(_named_before(old, rule))) for rule in difference.added
        ),
        changed=tuple(
            (was, with_move(will, of_rule(was)) if was.homeserver != will.homeserver else will)
            for was, will in difference.changed
        ),
    )


def _named_before(old: RuleSet, rule: Rule) -> Rule | None:
    """The rule that decides for these addresses now, unless it is the default."""
    anybody = rule.pattern if rule.kind is RuleKind.ADDRESS else f"anybody@{rule.pattern}"
    found = old.decide(EmailAddress.stored(anybody)).rule if rule.pattern else None
    return found if found and found.kind is not RuleKind.DEFAULT else None
