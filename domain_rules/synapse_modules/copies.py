"""What Guichet told, as it is read: who decides on which homeserver, the rules, the names and keys."""

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from domain_rules.addresses import EmailAddress, InvalidAddress
from domain_rules.rules import AccountClass, Decision, Kind, Rule, RuleSet, in_order

from .configuration import ClassSource

# What needs no reading: a homeserver keeps addresses folded, and judges all of them at start.
PLAIN = re.compile(r"[a-z0-9._+-]+@[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]+")


class Unreadable(ValueError):
    """Not what Guichet sends."""


@dataclass(frozen=True)
class Copy:
    """One revision of the rules, with what comes beside them. `every_rule`: also those not in force now."""

    epoch: str = ""
    revision: int = 0
    own_name: str = ""
    user_id_scheme: str = "address"
    sources: Mapping[str, ClassSource] = field(default_factory=dict)
    every_rule: tuple[Rule, ...] = ()
    rules: RuleSet = field(default_factory=lambda: RuleSet.compile(()))
    identity_servers: frozenset[str] = frozenset()
    guichet_keys: Mapping[str, str] = field(default_factory=dict)
    paused_inviters: frozenset[str] = frozenset()

    @property
    def is_empty(self) -> bool:
        """Nothing was ever heard."""
        return not self.epoch

    def has_by_person(self, *, but: str) -> bool:
        """Whether another homeserver has agents and guests."""
        return any(
            source is ClassSource.BY_PERSON for name, source in self.sources.items() if name != but
        )

    def decide(self, text: str) -> Decision | None:
        """What the rules say of an address; None for what is no address."""
        address = read_address(text)
        return self.rules.decide(address) if address else None

    def is_agents(self, text: str) -> bool:
        """Whether the rules say that this address, which the homeserver verified, is an agent's."""
        address = EmailAddress.stored(text) if PLAIN.fullmatch(text) else read_address(text)
        return (
            address is not None and self.rules.decide(address).account_class is AccountClass.AGENT
        )


def read(told: Mapping[str, Any], at: datetime) -> Copy:
    """The answer of `/rules`, compiled for this moment. Raises `Unreadable`."""
    try:
        every = tuple(_rules(told["rules"], told.get("extra_signs") or {}))
        names = told["identity_server"]
        return Copy(
            epoch=str(told["epoch"]),
            revision=int(told["revision"]),
            own_name=str(told["homeserver"]["name"]),
            user_id_scheme=str(told["homeserver"]["user_id_scheme"]),
            sources={
                name: ClassSource(facts["class_source"])
                for name, facts in told["homeservers"].items()
            },
            every_rule=every,
            rules=RuleSet.compile(every, revision=int(told["revision"]), at=at),
            identity_servers=frozenset(names["names"]),
            guichet_keys=dict(names["public_keys"]),
            # A Guichet of before names nobody here, and says so only when it is asked.
            paused_inviters=frozenset(told.get("paused_inviters") or ()),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as fault:
        raise Unreadable(f"{type(fault).__name__}: {fault}") from fault


def read_address(text: str) -> EmailAddress | None:
    """One address, None for anything else."""
    try:
        return EmailAddress.parse(text, smtputf8=True, typed=False)
    except InvalidAddress:
        return None


def _rules(lines: Any, extra_signs: Mapping[str, str]) -> Iterator[Rule]:
    """`extra_signs`, by the place of the line: a Guichet of before tells none, one to come perhaps others."""
    for place, line in enumerate(lines):
        kind, pattern, account_class, homeserver, requires_invite, organisation, since, until = line
        yield Rule(
            Kind(kind),
            pattern,
            AccountClass(account_class),
            # A text of a few homeservers and organisations, not one for each of many thousand rules.
            sys.intern(homeserver) if homeserver else None,
            requires_invite=bool(requires_invite),
            organisation=sys.intern(organisation),
            # A rule without homeserver says: this belongs to a sibling domain. Which, nobody asks here.
            sibling_of=None if homeserver else pattern,
            valid_from=_moment(since),
            valid_until=_moment(until),
            extra_signs=in_order(extra_signs.get(str(place), "")),
        )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
