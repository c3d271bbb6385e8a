"""The decision by all rules: exact address > exact domain > longest suffix > default."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from domain_rules import address_faults
from domain_rules.addresses import EmailAddress, InvalidAddress
from domain_rules.enums import Word
from domain_rules.rule import AccountClass, Kind, MisshapenRule, Rule, in_order

__all__ = [
    "AccountClass",
    "ConflictingRules",
    "Decision",
    "Explanation",
    "Kind",
    "MisshapenRule",
    "Reason",
    "Rule",
    "RuleSet",
    "Tried",
    "in_order",
]


class Reason(Word):
    """What a decision comes down to."""

    OPEN = "open"
    INVITE_REQUIRED = "invite_required"
    SIBLING = "sibling"
    NOBODY = "nobody"
    LOCAL_PART = "local_part"


class ConflictingRules(ValueError):
    """Two rules of the same kind and pattern would be in force at once."""

    def __init__(self, first: Rule, second: Rule) -> None:
        super().__init__(f"two rules for {first.name}")
        self.first = first
        self.second = second


@dataclass(frozen=True, slots=True)
class Decision:
    """Where an address belongs. `rule` is the one that won, None if none did.

    For a sibling it is the sibling's rule, while homeserver and class are the default's.
    By `local_part` nothing is decided: no such address exists at this domain, whatever the rule
    says of others, and an address stored in other times is nobody's.
    """

    homeserver: str | None
    protected_homeserver: str | None
    account_class: AccountClass | None
    requires_invite: bool
    organisation: str
    sibling: str | None
    reason: Reason
    rule: Rule | None
    revision: int

    @property
    def is_nobodys(self) -> bool:
        """Whether no homeserver takes the address, not even by the default."""
        return self.reason in {Reason.NOBODY, Reason.LOCAL_PART}


@dataclass(frozen=True, slots=True)
class Tried:
    """One rule that was looked for, whether it exists and whether it decided."""

    name: str
    matched: bool
    won: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision with the way to it."""

    address: EmailAddress
    tried: tuple[Tried, ...]
    decision: Decision


Table = Mapping[str, Rule]


@dataclass(frozen=True, slots=True)
class RuleSet:
    """The rules of one revision in force at one moment. Their order never matters."""

    rules: tuple[Rule, ...]
    revision: int
    changes_at: datetime | None
    """The next moment at which a validity begins or ends: compile again then."""
    _by_address: Table = field(repr=False, compare=False)
    _by_domain: Table = field(repr=False, compare=False)
    _by_suffix: Table = field(repr=False, compare=False)
    _default: Rule | None = field(repr=False, compare=False)

    @classmethod
    def compile(
        cls, rules: Iterable[Rule], *, revision: int = 0, at: datetime | None = None
    ) -> "RuleSet":
        """Make the decision cheap. Without `at` every rule counts as valid for ever.

        `ConflictingRules` is raised for two rules that overlap at any time, not only
        at `at`: a revision must not fall over on the day a validity begins.
        """
        tables, others = _sort_by_kind(rules)
        timed = [rule for rule in _every(tables, others) if rule.valid_from or rule.valid_until]
        _check_overlaps(tables, others, timeless=at is None)
        if at is not None:
            for rule in timed:
                if not rule.is_in_force(at):
                    _drop(tables, rule)
            for rule in others:
                if rule.is_in_force(at):
                    tables[rule.kind][rule.pattern] = rule
        in_force = sorted(_every(tables, ()), key=lambda rule: (rule.kind, rule.pattern))
        return cls(
            tuple(in_force),
            revision,
            _next_change(timed, at),
            tables[Kind.ADDRESS],
            tables[Kind.DOMAIN],
            tables[Kind.SUFFIX],
            tables[Kind.DEFAULT].get(""),
        )

    def __len__(self) -> int:
        return len(self.rules)

    def decide(self, address: EmailAddress) -> Decision:
        """Where this address belongs. Costs the labels of its domain, whatever the size."""
        rule = self._by_address.get(address.canonical) or self.rule_of_domain(address.ascii_domain)
        return self._decision(rule or self._default, address)

    def read(self, text: str, *, smtputf8: bool = False, typed: bool = True) -> EmailAddress:
        """What somebody typed or, `typed=False`, a program sent. Raises InvalidAddress.

        As `EmailAddress.parse`, and its domain must have such addresses.
        """
        address = EmailAddress.parse(text, smtputf8=smtputf8, typed=typed)
        if self.decide(address).reason is Reason.LOCAL_PART:
            raise InvalidAddress(address_faults.Reason.NOT_AT_THIS_DOMAIN)
        return address

    def explain(self, address: EmailAddress) -> Explanation:
        """The same decision, with every rule looked for in the order of precedence."""
        decision = self.decide(address)
        tried = tuple(
            Tried(
                name=f"{kind.value}:{pattern}" if pattern else kind.value,
                matched=rule is not None,
                won=rule is not None and rule is decision.rule,
            )
            for kind, pattern, rule in self._looked_for(address)
        )
        return Explanation(address, tried, decision)

    def rule_of_domain(self, domain: str) -> Rule | None:
        """The rule that decides for a domain (A-label) as such, the default not counted."""
        rule = self._by_domain.get(domain)
        while rule is None and domain:
            rule = self._by_suffix.get(domain)
            domain = domain.partition(".")[2]
        return rule

    def _looked_for(self, address: EmailAddress) -> Iterator[tuple[Kind, str, Rule | None]]:
        domain = address.ascii_domain
        yield Kind.ADDRESS, address.canonical, self._by_address.get(address.canonical)
        yield Kind.DOMAIN, domain, self._by_domain.get(domain)
        while domain:
            yield Kind.SUFFIX, domain, self._by_suffix.get(domain)
            domain = domain.partition(".")[2]
        yield Kind.DEFAULT, "", self._default

    def _decision(self, rule: Rule | None, address: EmailAddress) -> Decision:
        place = self._default if rule is None or rule.sibling_of else rule
        if not _takes(place, address):
            return self._refused(rule)
        if rule is None:
            reason = Reason.NOBODY
        elif rule.sibling_of:
            reason = Reason.SIBLING
        else:
            reason = Reason.INVITE_REQUIRED if rule.requires_invite else Reason.OPEN
        return Decision(
            homeserver=place.homeserver if place else None,
            protected_homeserver=place.protected_homeserver if place else None,
            account_class=place.account_class if place else None,
            requires_invite=place.requires_invite if place else True,
            organisation=rule.organisation if rule else "",
            sibling=rule.sibling_of if rule else None,
            reason=reason,
            rule=rule,
            revision=self.revision,
        )

    def _refused(self, rule: Rule | None) -> Decision:
        return Decision(
            homeserver=None,
            protected_homeserver=None,
            account_class=None,
            requires_invite=True,
            organisation=rule.organisation if rule else "",
            sibling=None,
            reason=Reason.LOCAL_PART,
            rule=rule,
            revision=self.revision,
        )


def _takes(place: Rule | None, address: EmailAddress) -> bool:
    """Whether mail may be addressed so, and where agents are, whether their rule says so."""
    if address.refusal:
        return False
    return place is None or place.account_class is AccountClass.GUEST or place.takes(address)


def _sort_by_kind(rules: Iterable[Rule]) -> tuple[dict[Kind, dict[str, Rule]], list[Rule]]:
    """The first rule of each kind and pattern in tables; those that repeat one beside them."""
    tables: dict[Kind, dict[str, Rule]] = {kind: {} for kind in Kind}
    others = [
        rule for rule in rules if tables[rule.kind].setdefault(rule.pattern, rule) is not rule
    ]
    return tables, others


def _every(tables: Mapping[Kind, Table], others: Iterable[Rule]) -> Iterator[Rule]:
    for table in tables.values():
        yield from table.values()
    yield from others


def _check_overlaps(
    tables: Mapping[Kind, Table], others: Iterable[Rule], *, timeless: bool
) -> None:
    groups: dict[tuple[Kind, str], list[Rule]] = {}
    for rule in others:
        key = (rule.kind, rule.pattern)
        group = groups.setdefault(key, [tables[rule.kind][rule.pattern]])
        for other in group:
            if timeless or rule.overlaps(other):
                raise ConflictingRules(other, rule)
        group.append(rule)


def _drop(tables: dict[Kind, dict[str, Rule]], rule: Rule) -> None:
    if tables[rule.kind].get(rule.pattern) is rule:
        del tables[rule.kind][rule.pattern]


def _next_change(timed: Iterable[Rule], at: datetime | None) -> datetime | None:
    if at is None:
        return None
    moments = (moment for rule in timed for moment in (rule.valid_from, rule.valid_until))
    return min((moment for moment in moments if moment and moment > at), default=None)
