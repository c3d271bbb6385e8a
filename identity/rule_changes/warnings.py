"""What people are shown beside the numbers of a check: homeservers in trouble, look-alikes, and more.

Each warning is a dictionary with its `kind` and what it names; never an address of a person.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy.orm import Session

from domain_rules import look_alikes
from domain_rules.rule import Rule, RuleKind
from domain_rules.rules import RuleSet
from identity.routing import confusables
from identity.routing.registrable import owner_of

from . import targets
from .service import Difference

LOOK_ALIKE: Final = "look_alike"
HOMESERVER: Final = "homeserver"
SHADOWED: Final = "shadowed"
SLOW, NO_ANSWER = "slow", "no_answer"  # states of a homeserver, beside those of `targets`
MAX_NAMED: Final = 20  # rules


def find(
    session: Session, now: datetime, difference: Difference, new: RuleSet
) -> Iterator[dict[str, Any]]:
    """The warnings about a difference; `new`: the rules after it.

    `{"kind": "look_alike", "domain": name, "like": name}`: a domain that is opened cannot be told at
    a glance from one that is open already;
    `{"kind": "homeserver", "homeserver": name, "state": text}`, for `slow` with `milliseconds`, and
    for it and `no_answer` with `at`, when the worker looked; and
    `{"kind": "shadowed", "rule": name, "by": number, "for_example": name}`: so many narrower rules
    of before still decide for addresses of this one, and otherwise.
    """
    opened = [will for was, will in difference.changed if not _is_of_domain(was)]
    yield from find_look_alikes([*difference.added, *opened], new.rules)
    named = targets.homeservers_of(difference.begun)
    not_ready = targets.find_not_ready(session, now, named)
    for name, state in sorted(not_ready.items()):
        yield {"kind": HOMESERVER, "homeserver": name, "state": state}
    for look in targets.find_slow(session, now, named - not_ready.keys()):
        said = {"kind": HOMESERVER, "homeserver": look.homeserver}
        when = {"at": look.at.isoformat(timespec="seconds")}
        if look.milliseconds is None:
            yield said | when | {"state": NO_ANSWER}
        else:
            yield said | when | {"state": SLOW, "milliseconds": look.milliseconds}
    yield from find_shadowed(difference.begun, new.rules)


def find_look_alikes(added: Sequence[Rule], rules: Sequence[Rule]) -> list[dict[str, Any]]:
    """The domains that are opened and look like another owner's that is open."""
    opened = {rule.pattern: owner_of(rule.pattern) for rule in added if _is_of_domain(rule)}
    if not opened:
        return []
    table = confusables.table()
    shapes = dict(zip(opened, look_alikes.skeletons(opened.values(), table), strict=True))
    wanted = set(shapes.values())
    patterns = [rule.pattern for rule in rules if _is_of_domain(rule)]
    # Whose domain has the shape of a wanted one at its end; of the others nobody asks the owner.
    near = list(
        {
            owner_of(pattern)
            for pattern, shape in zip(patterns, look_alikes.skeletons(patterns, table), strict=True)
            if not wanted.isdisjoint(_around(shape, itself=True))
        }
    )
    others: dict[str, set[str]] = {}
    for owner, shape in zip(near, look_alikes.skeletons(near, table), strict=True):
        others.setdefault(shape, set()).add(owner)
    found: list[dict[str, Any]] = []
    for domain, owner in sorted(opened.items()):
        like = others.get(shapes[domain], set()) - {owner}
        if like and len(found) < MAX_NAMED:
            found.append({"kind": LOOK_ALIKE, "domain": domain, "like": min(like)})
    return found


def find_shadowed(begun: Sequence[Rule], rules: Sequence[Rule]) -> list[dict[str, Any]]:
    """The rules for suffixes and domains of which narrower rules take a part away."""
    suffixes = {rule.pattern: rule for rule in begun if rule.kind is RuleKind.SUFFIX}
    own = {(rule.kind, rule.pattern) for rule in begun}
    narrower: dict[str, list[Rule]] = {}
    for rule in rules if suffixes else ():
        if (rule.kind, rule.pattern) in own or rule.kind is RuleKind.DEFAULT:
            continue
        domain = rule.pattern.rpartition("@")[2]
        for around in _around(domain, itself=rule.kind is not RuleKind.SUFFIX):
            wide = suffixes.get(around)
            if wide is not None and _differ(wide, rule):
                narrower.setdefault(around, []).append(rule)
    return [
        {
            "kind": SHADOWED,
            "rule": suffixes[pattern].name,
            "by": len(found),
            "for_example": _public_name(found),
        }
        for pattern, found in sorted(narrower.items())
    ][:MAX_NAMED]


def _is_of_domain(rule: Rule) -> bool:
    return rule.kind in {RuleKind.DOMAIN, RuleKind.SUFFIX} and rule.sibling_of is None


def _around(domain: str, *, itself: bool) -> Iterator[str]:
    """The domain itself if wanted, and those above it."""
    if itself:
        yield domain
    while domain := domain.partition(".")[2]:
        yield domain


def _differ(one: Rule, other: Rule) -> bool:
    return (one.homeserver, one.account_class, one.sibling_of) != (
        *(other.homeserver, other.account_class, other.sibling_of),
    )


def _public_name(found: Sequence[Rule]) -> str | None:
    """The name of one of these rules, but never that of an address."""
    return next((rule.name for rule in found if rule.kind is not RuleKind.ADDRESS), None)
