"""Files of rules, read: our own YAML and CSV, an old info.yaml, a plain list; what is refused, and why."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path

from domain_rules.csv_rules import is_rules_csv, read_csv
from domain_rules.info_yaml.reading import OldReading, is_info_yaml, read_info
from domain_rules.reading import (
    Duplicate,
    Fault,
    FederationReading,
    HomeserverEntry,
    Reading,
    read_federation,
    read_plain_list,
)
from domain_rules.rules import AccountClass, Kind, Rule
from identity.command.files import read_certificate, read_secret, read_text
from identity.command.outcomes import Exit, Failure
from identity.command.progress import followed
from identity.homeservers.service import NewHomeserver
from identity.routing import never_agent
from identity.rule_changes.yaml_lines import UnreadableYaml, load

Key = tuple[Kind, str]
OLD = re.compile(r"^medium\s*:", re.MULTILINE)


class Format(Enum):
    """What a file is."""

    LIST = "list"
    CSV = "csv"
    YAML = "yaml"


@dataclass(frozen=True)
class Content:
    """What a file holds."""

    rules: tuple[Rule, ...]
    faults: tuple[Fault, ...]
    duplicates: tuple[Duplicate, ...]
    homeservers: tuple[NewHomeserver, ...] = ()
    old: OldReading | None = None
    """Of an old info.yaml, what its proof is made from."""

    @property
    def ending(self) -> Exit:
        """How the import of this ends, if it is not stopped by something else."""
        if not self.faults:
            return Exit.OK
        if all(is_policy(fault) for fault in self.faults):
            return Exit.REFUSED
        return Exit.PARTLY if self.rules else Exit.FAILED


@dataclass(frozen=True)
class Here:
    """What a file is read against: what is registered and in force already."""

    homeservers: Mapping[str, bool] = field(default_factory=dict)
    """By name, whether each is for guests."""
    rules: Mapping[Key, Rule] = field(default_factory=dict)
    why_never_agent: Callable[[str], str | None] = never_agent.reason

    def never_agent(self, domain: str) -> str | None:
        """None, too, for a domain that was opened already: somebody meant it."""
        kinds = (Kind.DOMAIN, Kind.SUFFIX)
        if any(_is_open(self.rules.get((kind, domain))) for kind in kinds):
            return None
        return self.why_never_agent(domain)

    def refuses(self, rule: Rule) -> str | None:
        """Why a rule would open more of such a domain than is open already."""
        is_same = _is_open(self.rules.get((rule.kind, rule.pattern)))
        is_domain = rule.kind in {Kind.DOMAIN, Kind.SUFFIX}
        if is_same or not is_domain or not _is_open(rule):
            return None
        return self.why_never_agent(rule.pattern)


def _is_open(rule: Rule | None) -> bool:
    return rule is not None and rule.account_class is AccountClass.AGENT and not rule.sibling_of


def is_policy(fault: Fault) -> bool:
    """Whether the line is understood and refused, not misunderstood."""
    return fault.reason in never_agent.REASONS


def format_of(path: Path, text: str) -> Format:
    """By its name where that says it, else by what stands in it."""
    suffix, first = path.suffix.lower(), text.partition("\n")[0]
    if suffix in {".yaml", ".yml"} or OLD.search(text):
        return Format.YAML
    if is_rules_csv(text) or (suffix == ".csv" and ("," in first or ";" in first)):
        return Format.CSV
    return Format.LIST


def read_list(
    text: str,
    here: Here,
    *,
    homeserver: str,
    organisation: str,
    account_class: AccountClass,
    suffix: bool,
) -> Content:
    """One domain a line."""
    lines = text.split("\n")
    reading = read_plain_list(
        followed("Reading", lines, len(lines)),
        homeserver=homeserver,
        organisation=organisation,
        account_class=account_class,
        suffix=suffix,
        never_agent=here.never_agent,
    )
    return _content(reading, here)


def read_table(text: str, here: Here) -> Content:
    """Our own CSV."""
    reading = read_csv(text, known_homeservers=here.homeservers, never_agent=here.never_agent)
    return _content(reading, here)


def read_sample(path: Path) -> Content:
    """Our own YAML, where nothing is yet. Raises Failure."""
    return read_yaml(path, read_text(path), Here())


def read_yaml(path: Path, text: str, here: Here) -> Content:
    """Our own format, see examples/federation.yaml, or an old info.yaml. Raises Failure."""
    try:
        document, lines = load(text)
    except UnreadableYaml as error:
        raise Failure(f"{path}: {error}") from error
    known, why = here.homeservers, here.never_agent
    if is_info_yaml(document):
        return _content(read_info(document, lines, known_homeservers=known, never_agent=why), here)
    reading = read_federation(document, lines, known_homeservers=known, never_agent=why)
    servers = tuple(_new_homeserver(entry, path.parent) for entry in reading.homeservers)
    return replace(_content(reading, here), homeservers=servers)


def _content(reading: Reading | FederationReading | OldReading, here: Here) -> Content:
    rules, faults = _one_of_each(reading, here)
    if isinstance(reading, OldReading):
        rules = tuple(
            _with_labels(rule, here.rules.get((rule.kind, rule.pattern))) for rule in rules
        )
        return Content(rules, faults, reading.duplicates, old=reading)
    return Content(rules, faults, reading.duplicates)


def _with_labels(rule: Rule, old: Rule | None) -> Rule:
    """What an old file has no words for stays as it is here."""
    if old is None:
        return rule
    return replace(rule, organisation=old.organisation, note=old.note)


def _one_of_each(reading: Reading, here: Here) -> tuple[tuple[Rule, ...], tuple[Fault, ...]]:
    """Rules that follow one another in time can be read, but one of each is what is stored."""
    first: dict[str, int] = {}
    kept: list[Rule] = []
    faults = list(reading.faults)
    for rule, line in zip(reading.rules, reading.lines, strict=True):
        refusal = here.refuses(rule)
        if rule.name in first:
            reason = f"line {first[rule.name]} has a rule for the same; only one can be kept"
            faults.append(Fault(line, rule.name, reason))
        elif refusal:
            faults.append(Fault(line, rule.name, refusal))
        else:
            first[rule.name] = line
            kept.append(rule)
    return tuple(kept), tuple(sorted(faults, key=lambda fault: fault.line))


def _new_homeserver(entry: HomeserverEntry, folder: Path) -> NewHomeserver:
    """With what stands in the files it names, which are looked for beside its own."""
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
