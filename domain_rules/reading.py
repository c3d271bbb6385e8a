"""Turns lists of domains and federation files into rules, with faults that name the line.

Nothing is opened or parsed as YAML here. A plain list comes as its lines. A federation file comes
as the values that a YAML loader gives (mappings, lists, texts, booleans, dates) together with
`lines`: the line, counted from 1, on which the value at a path begins. A path is the tuple of keys
and indexes that leads to the value:

    {(): 1, ("rules",): 4, ("rules", 0): 5, ("rules", 0, "domain"): 5, ("rules", 0, "class"): 6}

A missing path counts as the nearest one around it, so an empty `lines` is enough. A line with a
fault makes no rule, all others do; callers decide whether to publish a reading with faults.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from domain_rules.address_faults import InvalidAddress
from domain_rules.addresses import parse_domain
from domain_rules.federation import HomeserverEntry, RuleReader, read_homeserver
from domain_rules.located import LineFault, Lines, Located, Path, excerpt, line_of
from domain_rules.reasons import reason
from domain_rules.rule import AccountClass, Rule, RuleKind

NeverAgent = Callable[[str], str | None]
"""Why a domain may never be opened to agents (free mail, disposable, public suffix), or None."""

Follow = Callable[[Iterable[Any]], Iterable[Any]]
"""Yields the same entries, while it shows how far they are read, or says that it goes on."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A line that repeats an earlier one."""

    line: int
    text: str
    first_line: int


@dataclass(frozen=True, slots=True)
class RuleReading:
    """The rules of a file. `lines` holds the line of each rule, in the same order."""

    rules: tuple[Rule, ...]
    lines: tuple[int, ...]
    faults: tuple[LineFault, ...]
    duplicates: tuple[Duplicate, ...]


@dataclass(frozen=True, slots=True)
class FederationReading(RuleReading):
    """The rules and homeservers of a federation file."""

    homeservers: tuple[HomeserverEntry, ...]


def bar_no_domain(_domain: str) -> str | None:
    """The default for `never_agent`: every domain may be opened to agents."""
    return None


def read_plain_list(
    lines: Iterable[str],
    *,
    homeserver: str,
    organisation: str = "",
    account_class: AccountClass = AccountClass.AGENT,
    suffix: bool = False,
    never_agent: NeverAgent = bar_no_domain,
) -> RuleReading:
    """Rules from one domain per line; blank lines and lines starting with # are skipped."""
    is_agents = account_class is AccountClass.AGENT
    found: dict[str, int] = {}
    faults, duplicates = [], []
    for number, line in enumerate(lines, start=1):
        # Only the line ending is removed: any other control character is a fault.
        text = line.removesuffix("\n").removesuffix("\r").removeprefix("\ufeff")
        if not text.strip(" \t") or text.lstrip(" \t").startswith("#"):
            continue
        domain, why = _read_domain(text)
        why = why or (never_agent(domain) if is_agents else None)
        if why:
            faults.append(LineFault(number, excerpt(text), why))
        elif domain in found:
            duplicates.append(Duplicate(number, excerpt(text), found[domain]))
        else:
            found[domain] = number
    rules = tuple(
        Rule(
            RuleKind.SUFFIX if suffix else RuleKind.DOMAIN,
            domain,
            account_class,
            homeserver,
            requires_invite=not is_agents,
            organisation=organisation,
        )
        for domain in found
    )
    return RuleReading(rules, tuple(found.values()), tuple(faults), tuple(duplicates))


def _read_domain(text: str) -> tuple[str, str | None]:
    """The domain of a line, or an empty text and why it has none."""
    try:
        return parse_domain(text), None
    except InvalidAddress as error:
        bare = text.strip()
        if bare.startswith("*."):
            return "", reason("pattern_in_list", domain=excerpt(bare[2:]))
        if "://" in bare:
            return "", reason("url_in_list")
        if "@" in bare.removeprefix("@"):
            return "", reason("address_in_list")
        return "", error.sentence


def read_federation(
    document: object,
    lines: Lines | None = None,
    *,
    known_homeservers: Collection[str] = (),
    never_agent: NeverAgent = bar_no_domain,
    follow: Follow = iter,
) -> FederationReading:
    """The rules and homeservers of a federation file (see examples/federation.yaml).

    Rules may name the homeservers of the file and `known_homeservers`.
    """
    top = Located(document if isinstance(document, Mapping) else {}, (), lines or {})
    if not isinstance(document, Mapping):
        top.add_fault(None, reason("no_federation"))
    top.check_keys({"homeservers", "rules"})
    faults = top.faults
    homeservers = _homeservers(top)
    reader = RuleReader(homeservers, frozenset(known_homeservers), never_agent)
    rules: list[tuple[Rule, int]] = []
    for entry in follow(_entries(top, "rules")):
        rule = reader.read(entry)
        faults += entry.faults
        if rule:
            rules.append((rule, entry.line))
    kept, duplicates = drop_repeated_rules(rules, faults)
    return FederationReading(
        rules=tuple(rule for rule, _ in kept),
        lines=tuple(line for _, line in kept),
        faults=tuple(sorted(faults, key=lambda fault: fault.line)),
        duplicates=tuple(duplicates),
        homeservers=tuple(homeservers.values()),
    )


def _homeservers(top: Located) -> dict[str, HomeserverEntry]:
    found: dict[str, HomeserverEntry] = {}
    for entry in _entries(top, "homeservers"):
        server = read_homeserver(entry)
        top.faults.extend(entry.faults)
        if server and server.name in found:
            said = reason("homeserver_twice", line=found[server.name].line)
            top.faults.append(LineFault(server.line, server.name, said))
        elif server:
            found[server.name] = server
    return found


def _entries(top: Located, key: str) -> Iterable[Located]:
    value = top.content.get(key)
    if value is None:
        return
    if not isinstance(value, list):
        top.add_fault(key, reason("no_list", key=key))
        return
    for index, item in enumerate(value):
        path: Path = (key, index)
        if isinstance(item, Mapping):
            yield Located(item, path, top.lines)
        else:
            line = line_of(top.lines, path)
            top.faults.append(LineFault(line, excerpt(item), reason("no_mapping", key=key)))


def drop_repeated_rules(
    rules: list[tuple[Rule, int]], faults: list[LineFault]
) -> tuple[list[tuple[Rule, int]], list[Duplicate]]:
    """The rules without repetitions, and the repetitions.

    Of rules for the same pattern at the same time the first stays; if they differ, the others are
    recorded in `faults`.
    """
    kept: dict[str, list[tuple[Rule, int]]] = {}
    duplicates = []
    for rule, line in rules:
        same = kept.setdefault(rule.name, [])
        clash = next(((one, at) for one, at in same if one.overlaps(rule)), None)
        if clash is None:
            same.append((rule, line))
        elif clash[0] == rule:
            duplicates.append(Duplicate(line, rule.name, clash[1]))
        else:
            faults.append(LineFault(line, rule.name, reason("rule_twice", line=clash[1])))
    return [pair for same in kept.values() for pair in same], duplicates
