"""The decision by all rules: exact address, then exact domain, longest suffix, default."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from domain_rules import address_faults
from domain_rules.address_faults import InvalidAddress
from domain_rules.addresses import EmailAddress
from domain_rules.enums import StrEnum
from domain_rules.rule import AccountClass, Rule, RuleKind


class DecisionReason(StrEnum):
    """Why a decision came out as it did."""

    OPEN = "open"
    INVITE_REQUIRED = "invite_required"
    SIBLING = "sibling"
    NOBODY = "nobody"
    LOCAL_PART = "local_part"


class ConflictingRules(ValueError):
    """Two rules of the same kind and pattern would be in force at the same time."""

    def __init__(self, first: Rule, second: Rule) -> None:
        super().__init__(f"two rules for {first.name}")
        self.first = first
        self.second = second


@dataclass(frozen=True, slots=True)
class Decision:
    """Where an address belongs. `rule` is the one that decided, None if none did.

    For a sibling, `rule` is the sibling's, while homeserver and class are those of the default.
    With the reason `local_part` nothing is decided: this domain has no such address, and one stored
    earlier belongs to nobody.
    """

    homeserver: str | None
    protected_homeserver: str | None
    account_class: AccountClass | None
    requires_invite: bool
    organisation: str
    sibling: str | None
    reason: DecisionReason
    rule: Rule | None
    revision: int

    @property
    def is_nobodys(self) -> bool:
        """Whether no homeserver takes the address, not even by the default."""
        return self.reason in {DecisionReason.NOBODY, DecisionReason.LOCAL_PART}


@dataclass(frozen=True, slots=True)
class TriedRule:
    """One rule that was looked up: whether it exists and whether it decided."""

    name: str
    matched: bool
    won: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision with every rule that was looked up for it."""

    address: EmailAddress
    tried: tuple[TriedRule, ...]
    decision: Decision


Table = Mapping[str, Rule]


@dataclass(frozen=True, slots=True)
class RuleSet:
    """The rules of one revision in force at one moment. Their order does not matter."""

    rules: tuple[Rule, ...]
    revision: int
    changes_at: datetime | None
    """When a validity begins or ends next: the set must be compiled again then."""
    _by_address: Table = field(repr=False, compare=False)
    _by_domain: Table = field(repr=False, compare=False)
    _by_suffix: Table = field(repr=False, compare=False)
    _default: Rule | None = field(repr=False, compare=False)

    @classmethod
    def compile(
        cls, rules: Iterable[Rule], *, revision: int = 0, at: datetime | None = None
    ) -> "RuleSet":
        """Index the rules that are in force at `at`; without `at` all count as valid for ever.

        Raises ConflictingRules for rules that overlap at any time, not only at `at`: a revision
        must not fail on the day when a validity begins.
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
            tables[RuleKind.ADDRESS],
            tables[RuleKind.DOMAIN],
            tables[RuleKind.SUFFIX],
            tables[RuleKind.DEFAULT].get(""),
        )

    def __len__(self) -> int:
        return len(self.rules)

    def decide(self, address: EmailAddress) -> Decision:
        """Where this address belongs.

        The cost depends on its labels, not on the number of rules.
        """
        rule = self._by_address.get(address.canonical) or self.rule_of_domain(address.ascii_domain)
        return self._decision(rule or self._default, address)

    def read(self, text: str, *, smtputf8: bool = False, typed: bool = True) -> EmailAddress:
        """Parse an address that its domain can have. Raises InvalidAddress.

        As `EmailAddress.parse`, and the local part must be acceptable at this domain.
        """
        address = EmailAddress.parse(text, smtputf8=smtputf8, typed=typed)
        if self.decide(address).reason is DecisionReason.LOCAL_PART:
            raise InvalidAddress(address_faults.AddressFault.NOT_AT_THIS_DOMAIN)
        return address

    def explain(self, address: EmailAddress) -> Explanation:
        """The decision, with every rule that was looked up, in order of precedence."""
        decision = self.decide(address)
        tried = tuple(
            TriedRule(
                name=f"{kind.value}:{pattern}" if pattern else kind.value,
                matched=(rule := self._find(kind, pattern)) is not None,
                won=rule is not None and rule is decision.rule,
            )
            for kind, pattern in looked_for(address)
        )
        return Explanation(address, tried, decision)

    def rule_of_domain(self, domain: str) -> Rule | None:
        """The rule that decides for a domain (A-label) itself, the default not counted."""
        rule = self._by_domain.get(domain)
        while rule is None and domain:
            rule = self._by_suffix.get(domain)
            domain = domain.partition(".")[2]
        return rule

    def _find(self, kind: RuleKind, pattern: str) -> Rule | None:
        if kind is RuleKind.DEFAULT:
            return self._default
        tables = {
            RuleKind.ADDRESS: self._by_address,
            RuleKind.DOMAIN: self._by_domain,
            RuleKind.SUFFIX: self._by_suffix,
        }
        return tables[kind].get(pattern)

    def _decision(self, rule: Rule | None, address: EmailAddress) -> Decision:
        place = self._default if rule is None or rule.sibling_of else rule
        if not _takes(place, address):
            place, reason = None, DecisionReason.LOCAL_PART
        elif rule is None:
            reason = DecisionReason.NOBODY
        elif rule.sibling_of:
            reason = DecisionReason.SIBLING
        else:
            reason = DecisionReason.INVITE_REQUIRED if rule.requires_invite else DecisionReason.OPEN
        return Decision(
            homeserver=place.homeserver if place else None,
            protected_homeserver=place.protected_homeserver if place else None,
            account_class=place.account_class if place else None,
            requires_invite=place.requires_invite if place else True,
            organisation=rule.organisation if rule else "",
            sibling=rule.sibling_of if rule and reason is DecisionReason.SIBLING else None,
            reason=reason,
            rule=rule,
            revision=self.revision,
        )


def looked_for(address: EmailAddress) -> Iterator[tuple[RuleKind, str]]:
    """Kind and pattern of every rule that may decide for an address, in order of precedence."""
    domain = address.ascii_domain
    yield RuleKind.ADDRESS, address.canonical
    yield RuleKind.DOMAIN, domain
    while domain:
        yield RuleKind.SUFFIX, domain
        domain = domain.partition(".")[2]
    yield RuleKind.DEFAULT, ""


def _takes(place: Rule | None, address: EmailAddress) -> bool:
    """Whether mail can be addressed so and, on agents' domains, whether the rule allows it."""
    if address.refusal:
        return False
    return place is None or place.account_class is AccountClass.GUEST or place.accepts(address)


def _sort_by_kind(rules: Iterable[Rule]) -> tuple[dict[RuleKind, dict[str, Rule]], list[Rule]]:
    """The first rule of each kind and pattern, by kind; and those that repeat one."""
    tables: dict[RuleKind, dict[str, Rule]] = {kind: {} for kind in RuleKind}
    others = [
        rule for rule in rules if tables[rule.kind].setdefault(rule.pattern, rule) is not rule
    ]
    return tables, others


def _every(tables: Mapping[RuleKind, Table], others: Iterable[Rule]) -> Iterator[Rule]:
    for table in tables.values():
        yield from table.values()
    yield from others


def _check_overlaps(
    tables: Mapping[RuleKind, Table], others: Iterable[Rule], *, timeless: bool
) -> None:
    groups: dict[tuple[RuleKind, str], list[Rule]] = {}
    for rule in others:
        key = (rule.kind, rule.pattern)
        group = groups.setdefault(key, [tables[rule.kind][rule.pattern]])
        for other in group:
            if timeless or rule.overlaps(other):
                raise ConflictingRules(other, rule)
        group.append(rule)


def _drop(tables: dict[RuleKind, dict[str, Rule]], rule: Rule) -> None:
    if tables[rule.kind].get(rule.pattern) is rule:
        del tables[rule.kind][rule.pattern]


def _next_change(timed: Iterable[Rule], at: datetime | None) -> datetime | None:
    if at is None:
        return None
    moments = (moment for rule in timed for moment in (rule.valid_from, rule.valid_until))
    return min((moment for moment in moments if moment and moment > at), default=None)
