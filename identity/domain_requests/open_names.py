"""The names of the open domains, kept in memory, to find at once those that are like another one."""

from collections.abc import Iterator, Mapping
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
    """The open registrable domains: by the pattern of their rule, all of them, by their skeleton."""

    by_pattern: dict[str, tuple[Name, str]]
    every: tuple[Name, ...]
    by_shape: dict[str, list[Name]]

    @classmethod
    def of(cls, rules: RuleSet, known: Mapping[str, tuple[Name, str]]) -> "_Names":
        """`known`: the names and skeletons of another rule set; few differ between revisions."""
        by_pattern = {
            rule.pattern: known.get(rule.pattern) or _look(rule.pattern)
            for rule in open_rules(rules)
        }
        shapes = dict(by_pattern.values())
        by_shape: dict[str, list[Name]] = {}
        for name in sorted(shapes, key=lambda each: each.domain):
            by_shape.setdefault(shapes[name], []).append(name)
        return cls(by_pattern, tuple(shapes), by_shape)


class _Newest:
    """The names in the rule set that was asked about last.

    The first look reads all names (0.3 s of one core for 33,000 rules), later ones those that are new.
    """

    def __init__(self) -> None:
        self._last: tuple[RuleSet | None, _Names] = (None, _Names({}, (), {}))

    def of(self, rules: RuleSet) -> _Names:
        of, names = self._last
        if of is not rules:
            names = _Names.of(rules, names.by_pattern)
            self._last = (rules, names)
        return names


def _look(pattern: str) -> tuple[Name, str]:
    owner = owner_of(pattern)
    return Name.of(owner), look_alikes.skeleton(owner, confusables.table())


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
