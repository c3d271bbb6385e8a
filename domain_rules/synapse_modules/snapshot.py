"""What Guichet told, as it is read: who decides on which homeserver, the rules, the names and keys."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from domain_rules.addresses import EmailAddress, InvalidAddress
from domain_rules.rules import AccountClass, Decision, Rule, RuleSet
from domain_rules.wire_format import Unreadable, read_rules

from .configuration import ClassSource

# What needs no reading: a homeserver keeps addresses folded, and judges all of them at start.
PLAIN = re.compile(r"[a-z0-9._+-]+@[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]+")


@dataclass(frozen=True)
class Copy:
    """One revision of the rules, with what comes beside them. `every_rule`: also those not in force now.

    `skipped`: what this module cannot read of it, which a newer one can.
    """

    epoch: str = ""
    revision: int = 0
    own_name: str = ""
    user_id_scheme: str = "address"
    sources: Mapping[str, ClassSource] = field(default_factory=dict)
    every_rule: tuple[Rule, ...] = ()
    rules: RuleSet = field(default_factory=lambda: RuleSet.compile(()))
    identity_servers: frozenset[str] = frozenset()
    guichet_keys: Mapping[str, str] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()
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
        revision = int(told["revision"])
        reading = read_rules(told, revision=revision, at=at)
        sources, strange = _sources(told["homeservers"])
        names = told["identity_server"]
        return Copy(
            epoch=str(told["epoch"]),
            revision=revision,
            own_name=str(told["homeserver"]["name"]),
            user_id_scheme=str(told["homeserver"]["user_id_scheme"]),
            sources=sources,
            every_rule=reading.every,
            rules=reading.in_force,
            skipped=(*strange, *reading.skipped),
            identity_servers=frozenset(names["names"]),
            guichet_keys=dict(names["public_keys"]),
            # A Guichet of before names nobody here, and says so only when it is asked.
            paused_inviters=_texts(told.get("paused_inviters")),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as fault:
        raise Unreadable(f"{type(fault).__name__}: {fault}") from fault


def read_address(text: str) -> EmailAddress | None:
    """One address, None for anything else."""
    try:
        return EmailAddress.parse(text, smtputf8=True, typed=False)
    except InvalidAddress:
        return None


def _sources(told: Mapping[str, Any]) -> tuple[dict[str, ClassSource], list[str]]:
    """Who decides on which homeserver, and those of a kind that is unknown here: their people are guests."""
    known: dict[str, ClassSource] = {}
    strange: list[str] = []
    for name, facts in told.items():
        kind = facts["class_source"]
        try:
            known[name] = ClassSource(kind)
        except ValueError:
            strange.append(f"homeserver {name}: the class source {kind!r} is unknown here")
    return known, strange


def _texts(told: Any) -> frozenset[str]:
    """Those of a list that are texts; nobody where there is no list."""
    return (
        frozenset(each for each in told if isinstance(each, str))
        if isinstance(told, list)
        else frozenset()
    )
