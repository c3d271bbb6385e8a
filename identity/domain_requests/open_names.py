"""The names of the open domains, kept in memory, to find at once those that are like another one."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from domain_rules import look_alikes
from domain_rules.look_alikes import Likeness, LookAlike, Name
from domain_rules.rules import RuleSet
from identity.routing import confusables
from identity.routing.registrable import owner_of

from .evidence import MAX_SHOWN, open_rules

LONGER: Final = 1  # letters by which two names that are one letter apart can differ


@dataclass(frozen=True)
class _Names:
    """The open registrable domains: all of them, and by their skeleton."""

    every: tuple[Name, ...]
    by_shape: dict[str, list[Name]]

    @classmethod
    def of(cls, rules: RuleSet) -> "_Names":
        table, by_shape = confusables.table(), dict[str, list[Name]]()
        owners = {owner_of(rule.pattern) for rule in open_rules(rules)}
        every = tuple(Name.of(owner) for owner in sorted(owners))
        for name in every:
            by_shape.setdefault(look_alikes.skeleton(name.domain, table), []).append(name)
        return cls(every, by_shape)


class _Newest:
    """The names in the rule set that was asked about last.

    The first look at a rule set reads it whole (0.15 s for 33,000 rules), later ones do not.
    """

    def __init__(self) -> None:
        self._last: tuple[RuleSet, _Names] | None = None

    def of(self, rules: RuleSet) -> _Names:
        last = self._last
        if last is not None and last[0] is rules:
            return last[1]
        found = _Names.of(rules)
        self._last = (rules, found)
        return found


_newest: Final = _Newest()


def looks_like(domain: str, rules: RuleSet) -> list[str]:
    """The open registrable domains that this one cannot be told from at a glance; at most ten."""
    own = Name.of(owner_of(domain))
    return [each.domain for each in _same_shape(own, rules) if each != own][:MAX_SHOWN]


def find_like(domain: str, rules: RuleSet) -> list[LookAlike]:
    """The open registrable domains that are in some way like that of this one (A-label).

    The strongest likeness first; at most ten.
    """
    own = Name.of(owner_of(domain))
    near = {*_same_shape(own, rules), *_alike_spelled(own, _newest.of(rules).every)}
    found = look_alikes.find(own, near, confusables.table())
    order = list(Likeness)
    return sorted(found, key=lambda each: (order.index(each.likeness), each.domain))[:MAX_SHOWN]


def _same_shape(own: Name, rules: RuleSet) -> list[Name]:
    shape = look_alikes.skeleton(own.domain, confusables.table())
    return _newest.of(rules).by_shape.get(shape, [])


def _alike_spelled(own: Name, names: tuple[Name, ...]) -> Iterator[Name]:
    """Those that `look_alikes.find` can take for alike by their spelling, found without skeletons."""
    label, suffix, plain = own.label, own.suffix, own.label.replace("-", "")
    near_lengths = range(len(label) - LONGER, len(label) + LONGER + 1)
    for name in names:
        is_near = name.label == label or (
            name.suffix == suffix
            and (
                name.label.replace("-", "") == plain
                or (
                    len(name.label) in near_lengths
                    and look_alikes.is_one_letter_away(name.label, label)
                )
            )
        )
        if is_near:
            yield name
