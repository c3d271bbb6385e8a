"""One revision of what Guichet sends to homeservers: rules, classes of servers, names, keys."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from domain_rules.address_faults import InvalidAddress
from domain_rules.addresses import EmailAddress
from domain_rules.rooms.room import as_texts
from domain_rules.rule import AccountClass, Rule
from domain_rules.rules import Decision, RuleSet
from domain_rules.wire_format import UnreadableRules, read_rules

from .configuration import ClassSource

# Addresses that need no parsing: Synapse stores them folded, and all are judged at start.
PLAIN_ADDRESS = re.compile(r"[a-z0-9._+-]+@[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]+")


@dataclass(frozen=True)
class Snapshot:
    """One revision; without `epoch`, Guichet never answered.

    `every_rule`: also rules that are not in force now. `sources`: how the class of each
    homeserver's users is decided. `skipped`: what this version of the module does not understand.
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

    def has_by_person(self, *, but: str) -> bool:
        """Whether another homeserver than `but` has both agents and guests."""
        return any(
            source is ClassSource.BY_PERSON for name, source in self.sources.items() if name != but
        )

    def decide(self, text: str) -> Decision | None:
        """The decision for an address; None for what is no address."""
        address = read_address(text)
        return self.rules.decide(address) if address else None

    def is_address_of_agent(self, text: str) -> bool:
        """Whether this address, verified by the homeserver, is an agent's by the rules."""
        address = EmailAddress.stored(text) if PLAIN_ADDRESS.fullmatch(text) else read_address(text)
        return (
            address is not None and self.rules.decide(address).account_class is AccountClass.AGENT
        )


def read_snapshot(answer: Mapping[str, Any], at: datetime) -> Snapshot:
    """The answer of `/rules`, compiled for this moment. Raises UnreadableRules."""
    try:
        revision = int(answer["revision"])
        reading = read_rules(answer, revision=revision, at=at)
        sources, strange = _sources(answer["homeservers"])
        names = answer["identity_server"]
        return Snapshot(
            epoch=str(answer["epoch"]),
            revision=revision,
            own_name=str(answer["homeserver"]["name"]),
            user_id_scheme=str(answer["homeserver"]["user_id_scheme"]),
            sources=sources,
            every_rule=reading.every,
            rules=reading.in_force,
            skipped=(*strange, *reading.skipped),
            identity_servers=frozenset(names["names"]),
            guichet_keys=dict(names["public_keys"]),
            # Earlier versions of Guichet do not send this; then `/may-invite` alone tells.
            paused_inviters=frozenset(as_texts(answer.get("paused_inviters"))),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as fault:
        raise UnreadableRules(f"{type(fault).__name__}: {fault}") from fault


def read_address(text: str) -> EmailAddress | None:
    """The parsed address; None for anything else."""
    try:
        return EmailAddress.parse(text, smtputf8=True, typed=False)
    except InvalidAddress:
        return None


def _sources(homeservers: Mapping[str, Any]) -> tuple[dict[str, ClassSource], list[str]]:
    """Class sources by homeserver, and those unknown here, whose users count as guests."""
    known: dict[str, ClassSource] = {}
    strange: list[str] = []
    for name, facts in homeservers.items():
        kind = facts["class_source"]
        try:
            known[name] = ClassSource(kind)
        except ValueError:
            strange.append(f"homeserver {name}: the class source {kind!r} is unknown here")
    return known, strange
