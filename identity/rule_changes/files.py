"""Reads files of rules: our YAML and CSV, an old info.yaml, or a plain list of domains.

What was read is compared with the rules in force, so that a change gets the lines that differ.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import Enum
from pathlib import PurePath

from sqlalchemy.orm import Session

from domain_rules.csv_rules import is_rules_csv, read_csv
from domain_rules.federation import HomeserverEntry
from domain_rules.info_yaml.reading import InfoYamlReading, is_info_yaml, read_info_yaml
from domain_rules.located import LineFault
from domain_rules.reading import (
    Duplicate,
    FederationReading,
    Follow,
    RuleReading,
    read_federation,
    read_plain_list,
)
from domain_rules.reasons import reason
from domain_rules.rule import AccountClass, Rule, RuleKind
from identity.homeservers import models as homeservers
from identity.problems import UnreadableFile
from identity.routing import address_lists, models as rules, never_agent

from . import service
from .lines import is_open_to_agents
from .service import Key
from .yaml_lines import UnreadableYaml, load_yaml

OLD = re.compile(r"^medium\s*:", re.MULTILINE)


class Format(Enum):
    """The format of a file of rules."""

    LIST = "list"
    CSV = "csv"
    YAML = "yaml"


@dataclass(frozen=True)
class Content:
    """The content of a file, and the lines that were refused."""

    rules: tuple[Rule, ...]
    faults: tuple[LineFault, ...]
    duplicates: tuple[Duplicate, ...]
    homeservers: tuple[HomeserverEntry, ...] = ()
    """The homeservers that a federation's file describes."""
    old: InfoYamlReading | None = None
    """The reading of an old info.yaml, from which its proof is made."""


@dataclass(frozen=True)
class Existing:
    """What a file is read against: the registered homeservers and the rules in force."""

    homeservers: Mapping[str, bool] = field(default_factory=dict)
    """By name, whether each is for guests."""
    rules: Mapping[Key, Rule] = field(default_factory=dict)
    why_never_agent: Callable[[str], str | None] = never_agent.reason_of

    def never_agent(self, domain: str) -> str | None:
        """Why a domain may not be opened to agents; None if it may, or is open already."""
        kinds = (RuleKind.DOMAIN, RuleKind.SUFFIX)
        if any(is_open_to_agents(self.rules.get((kind, domain))) for kind in kinds):
            return None
        return self.why_never_agent(domain)

    def refuses(self, rule: Rule) -> str | None:
        """Why a rule is refused: it opens more of such a domain than is open already."""
        is_same = is_open_to_agents(self.rules.get((rule.kind, rule.pattern)))
        if is_same or not is_open_to_agents(rule):
            return None
        return self.why_never_agent(rule.pattern)


@dataclass(frozen=True, kw_only=True)
class OfLists:
    """What a plain list of domains does not say itself."""

    homeserver: str = ""
    organisation: str = ""
    suffix: bool = False
    guest: bool = False


def find_existing(session: Session) -> Existing:
    """What a file is read against, as of now."""
    return Existing(
        homeservers={each.name: each.is_for_guests for each in homeservers.find_all(session)},
        rules=service.by_key(rules.load(session, rules.current_number(session))),
        why_never_agent=address_lists.why_never_agent(session),
    )


def is_policy(fault: LineFault) -> bool:
    """Whether the line was refused by policy, and not because it could not be read."""
    return fault.reason in never_agent.REASONS


def format_of(name: str, text: str) -> Format:
    """The format of a file, by its name if that is enough, else by its content."""
    suffix, first = PurePath(name).suffix.lower(), text.partition("\n")[0]
    if suffix in {".yaml", ".yml"} or OLD.search(text):
        return Format.YAML
    if is_rules_csv(text) or (suffix == ".csv" and ("," in first or ";" in first)):
        return Format.CSV
    return Format.LIST


def read(
    name: str,
    text: str,
    here: Existing,
    of_lists: OfLists,
    follow: Follow = iter,
) -> Content:
    """Read a file of any format. `follow`: is given the entries as they are read.

    Raises UnreadableFile, also for a list without a homeserver, and for another file with one.
    """
    form = format_of(name, text)
    check_of_lists(name, form, of_lists)
    if form is Format.YAML:
        return read_yaml(name, text, here, follow)
    if form is Format.CSV:
        known, why = here.homeservers, here.never_agent
        return _content(
            read_csv(text, known_homeservers=known, never_agent=why, follow=follow), here
        )
    is_guests = of_lists.guest or here.homeservers.get(of_lists.homeserver, False)
    reading = read_plain_list(
        follow(text.split("\n")),
        homeserver=of_lists.homeserver,
        organisation=of_lists.organisation,
        account_class=AccountClass.GUEST if is_guests else AccountClass.AGENT,
        suffix=of_lists.suffix,
        never_agent=here.never_agent,
    )
    return _content(reading, here)


def check_of_lists(name: str, form: Format, of_lists: OfLists) -> None:
    """Raises UnreadableFile: a list needs a homeserver, and other files say these things."""
    if form is Format.LIST and not of_lists.homeserver:
        raise UnreadableFile("a list needs --homeserver")
    for field_ in fields(of_lists) if form is not Format.LIST else ():
        if getattr(of_lists, field_.name):
            raise UnreadableFile(f"--{field_.name} is for lists; {name} says it itself")


def read_yaml(name: str, text: str, here: Existing, follow: Follow = iter) -> Content:
    """Read our own YAML format (examples/federation.yaml) or an old info.yaml.

    Raises UnreadableFile.
    """
    try:
        document, lines = load_yaml(text)
    except UnreadableYaml as error:
        raise UnreadableFile(f"{name}: {error}") from error
    known, why = here.homeservers, here.never_agent
    if is_info_yaml(document):
        old = read_info_yaml(document, lines, known_homeservers=known, never_agent=why)
        return _content(old, here)
    reading = read_federation(
        document, lines, known_homeservers=known, never_agent=why, follow=follow
    )
    return replace(_content(reading, here), homeservers=tuple(reading.homeservers))


def lines_of(
    content: Content, here: Existing, *, exactly: bool = False
) -> tuple[list[Rule], list[Key]]:
    """The rules to put and the keys to remove, as lines of a change; what is so already is not.

    `exactly`: also remove what the file does not name, unless lines of it were refused: nobody
    knows which rules those mean.
    """
    put = [rule for rule in content.rules if here.rules.get((rule.kind, rule.pattern)) != rule]
    named = {(rule.kind, rule.pattern) for rule in content.rules}
    is_whole = exactly and not content.faults
    gone = [key for key in here.rules if key not in named] if is_whole else []
    return put, sorted(gone)


def _content(reading: RuleReading | FederationReading | InfoYamlReading, here: Existing) -> Content:
    rules, faults = _one_of_each(reading, here)
    if isinstance(reading, InfoYamlReading):
        rules = tuple(
            _with_labels(rule, here.rules.get((rule.kind, rule.pattern))) for rule in rules
        )
        return Content(rules, faults, reading.duplicates, old=reading)
    return Content(rules, faults, reading.duplicates)


def _with_labels(rule: Rule, old: Rule | None) -> Rule:
    """The rule with organisation and note of the rule in force, which an old file cannot have."""
    if old is None:
        return rule
    return replace(rule, organisation=old.organisation, note=old.note)


def _one_of_each(
    reading: RuleReading, here: Existing
) -> tuple[tuple[Rule, ...], tuple[LineFault, ...]]:
    """Refuse further rules for the same pattern, for example for a later time: one is stored."""
    first: dict[str, int] = {}
    kept: list[Rule] = []
    faults = list(reading.faults)
    for rule, line in zip(reading.rules, reading.lines, strict=True):
        refusal = here.refuses(rule)
        if rule.name in first:
            why = reason("rule_twice_of_all_times", line=first[rule.name])
            faults.append(LineFault(line, rule.name, why))
        elif refusal:
            faults.append(LineFault(line, rule.name, refusal))
        else:
            first[rule.name] = line
            kept.append(rule)
    return tuple(kept), tuple(sorted(faults, key=lambda fault: fault.line))
