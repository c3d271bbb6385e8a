"""Reading files of rules: our YAML and CSV, an old info.yaml, or a plain list of domains."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path

from domain_rules.csv_rules import is_rules_csv, read_csv
from domain_rules.federation import HomeserverEntry
from domain_rules.info_yaml.reading import InfoYamlReading, is_info_yaml, read_info_yaml
from domain_rules.located import LineFault
from domain_rules.reading import (
    Duplicate,
    FederationReading,
    RuleReading,
    read_federation,
    read_plain_list,
)
from domain_rules.rule import AccountClass, Rule, RuleKind
from identity.command.files import read_certificate, read_secret, read_text
from identity.command.outcomes import Exit, Failure
from identity.command.progress import track_progress
from identity.homeservers.service import NewHomeserver
from identity.routing import never_agent
from identity.rule_changes.yaml_lines import UnreadableYaml, load_yaml

Key = tuple[RuleKind, str]
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
    homeservers: tuple[NewHomeserver, ...] = ()
    old: InfoYamlReading | None = None
    """The reading of an old info.yaml, from which its proof is made."""

    @property
    def ending(self) -> Exit:
        """The exit code of the import, if nothing else stops it."""
        if not self.faults:
            return Exit.OK
        if all(is_policy(fault) for fault in self.faults):
            return Exit.REFUSED
        return Exit.PARTLY if self.rules else Exit.FAILED


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
        if any(_is_open(self.rules.get((kind, domain))) for kind in kinds):
            return None
        return self.why_never_agent(domain)

    def refuses(self, rule: Rule) -> str | None:
        """Why a rule is refused: it opens more of such a domain than is open already."""
        is_same = _is_open(self.rules.get((rule.kind, rule.pattern)))
        is_domain = rule.kind in {RuleKind.DOMAIN, RuleKind.SUFFIX}
        if is_same or not is_domain or not _is_open(rule):
            return None
        return self.why_never_agent(rule.pattern)


def _is_open(rule: Rule | None) -> bool:
    return rule is not None and rule.account_class is AccountClass.AGENT and not rule.sibling_of


def is_policy(fault: LineFault) -> bool:
    """Whether the line was refused by policy, and not because it could not be read."""
    return fault.reason in never_agent.REASONS


def format_of(path: Path, text: str) -> Format:
    """The format of a file, by its name if that is enough, else by its content."""
    suffix, first = path.suffix.lower(), text.partition("\n")[0]
    if suffix in {".yaml", ".yml"} or OLD.search(text):
        return Format.YAML
    if is_rules_csv(text) or (suffix == ".csv" and ("," in first or ";" in first)):
        return Format.CSV
    return Format.LIST


def read_list(
    text: str,
    here: Existing,
    *,
    homeserver: str,
    organisation: str,
    account_class: AccountClass,
    suffix: bool,
) -> Content:
    """Read a list with one domain on each line."""
    lines = text.split("\n")
    reading = read_plain_list(
        track_progress("Reading", lines, len(lines)),
        homeserver=homeserver,
        organisation=organisation,
        account_class=account_class,
        suffix=suffix,
        never_agent=here.never_agent,
    )
    return _content(reading, here)


def read_table(text: str, here: Existing) -> Content:
    """Read our own CSV format."""
    reading = read_csv(text, known_homeservers=here.homeservers, never_agent=here.never_agent)
    return _content(reading, here)


def read_sample(path: Path) -> Content:
    """Read our own YAML format for an empty installation. Raises Failure."""
    return read_yaml(path, read_text(path), Existing())


def read_yaml(path: Path, text: str, here: Existing) -> Content:
    """Read our own YAML format (examples/federation.yaml) or an old info.yaml.

    Raises Failure.
    """
    try:
        document, lines = load_yaml(text)
    except UnreadableYaml as error:
        raise Failure(f"{path}: {error}") from error
    known, why = here.homeservers, here.never_agent
    if is_info_yaml(document):
        return _content(
            read_info_yaml(document, lines, known_homeservers=known, never_agent=why), here
        )
    reading = read_federation(document, lines, known_homeservers=known, never_agent=why)
    servers = tuple(_new_homeserver(entry, path.parent) for entry in reading.homeservers)
    return replace(_content(reading, here), homeservers=servers)


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
            reason = f"line {first[rule.name]} has a rule for the same; only one can be kept"
            faults.append(LineFault(line, rule.name, reason))
        elif refusal:
            faults.append(LineFault(line, rule.name, refusal))
        else:
            first[rule.name] = line
            kept.append(rule)
    return tuple(kept), tuple(sorted(faults, key=lambda fault: fault.line))


def _new_homeserver(entry: HomeserverEntry, folder: Path) -> NewHomeserver:
    """The homeserver with the contents of the files it names, relative to `folder`."""
    files = (entry.ca_file, entry.registration_secret_file, entry.admin_token_file)
    ca, secret, token = (folder / name if name else None for name in files)
    return NewHomeserver(
        name=entry.name,
        url=entry.url,
        label=entry.label,
        guests=entry.guests,
        connector=entry.connector,
        registration_secret=read_secret(secret),
        admin_token=read_secret(token),
        federation_url=entry.federation_url,
        client_url=entry.client_url,
        ca_pem=read_certificate(ca),
        user_id_scheme=str(entry.user_id_scheme) if entry.user_id_scheme else None,
        class_source=entry.class_source,
    )
