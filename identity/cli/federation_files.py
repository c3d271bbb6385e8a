"""Files of rules, read: our own YAML or a plain list, and which of their lines are refused why."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from domain_rules.reading import (
    Duplicate,
    Fault,
    HomeserverEntry,
    Reading,
    read_federation,
    read_plain_list,
)
from domain_rules.rules import AccountClass, Rule
from identity import never_agent
from identity.use_cases.homeserver_changes import NewHomeserver

from .endings import Exit, Failure
from .files import read_certificate, read_secret, read_text
from .progress import followed
from .yaml_lines import UnreadableYaml, load


@dataclass(frozen=True)
class Content:
    """What a file holds."""

    rules: tuple[Rule, ...]
    faults: tuple[Fault, ...]
    duplicates: tuple[Duplicate, ...]
    homeservers: tuple[NewHomeserver, ...] = ()

    @property
    def ending(self) -> Exit:
        """How the import of this ends, if it is not stopped by something else."""
        if not self.faults:
            return Exit.OK
        if all(is_policy(fault) for fault in self.faults):
            return Exit.REFUSED
        return Exit.PARTLY if self.rules else Exit.FAILED


def is_policy(fault: Fault) -> bool:
    """Whether the line is understood and refused, not misunderstood."""
    return fault.reason in never_agent.REASONS


def is_yaml(path: Path) -> bool:
    return path.suffix.lower() in {".yaml", ".yml"}


def read_list(
    path: Path, *, homeserver: str, organisation: str, account_class: AccountClass, suffix: bool
) -> Content:
    """One domain a line. Raises Failure."""
    lines = read_text(path).split("\n")
    reading = read_plain_list(
        followed("Reading", lines, len(lines)),
        homeserver=homeserver,
        organisation=organisation,
        account_class=account_class,
        suffix=suffix,
        never_agent=never_agent.reason,
    )
    return Content(reading.rules, reading.faults, reading.duplicates)


def read_yaml(path: Path, *, known_homeservers: Collection[str] = ()) -> Content:
    """Our own format, see examples/federation.yaml. Raises Failure."""
    try:
        document, lines = load(read_text(path))
    except UnreadableYaml as error:
        raise Failure(f"{path}: {error}") from error
    reading = read_federation(
        document, lines, known_homeservers=known_homeservers, never_agent=never_agent.reason
    )
    rules, faults = _one_of_each(reading)
    servers = tuple(_new_homeserver(entry, path.parent) for entry in reading.homeservers)
    return Content(rules, faults, reading.duplicates, servers)


def _one_of_each(reading: Reading) -> tuple[tuple[Rule, ...], tuple[Fault, ...]]:
    """Rules that follow one another in time can be read, but one of each is what is stored."""
    first: dict[str, int] = {}
    kept: list[Rule] = []
    faults = list(reading.faults)
    for rule, line in zip(reading.rules, reading.lines, strict=True):
        if rule.name in first:
            reason = f"line {first[rule.name]} has a rule for the same; only one can be kept"
            faults.append(Fault(line, rule.name, reason))
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
