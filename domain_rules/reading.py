"""Lists and federation files, already in memory, made into rules with faults that name the line.

Nothing is opened or parsed as YAML here. A plain list comes as its lines. A federation file
comes as the plain values a YAML loader gives (mappings, lists, texts, booleans, dates) and,
beside them, `lines`: the line (from 1) on which the value at a path begins. A path is the
tuple of keys and indexes that leads to the value:

    {(): 1, ("rules",): 4, ("rules", 0): 5, ("rules", 0, "domain"): 5, ("rules", 0, "class"): 6}

A path that is missing counts as the nearest one around it, so an empty `lines` will do.

A line with a fault makes no rule; all the others do. Whoever imports decides whether a
reading with faults is published.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from domain_rules.addresses import InvalidAddress, parse_domain
from domain_rules.federation import HomeserverEntry, RuleReader, read_homeserver
from domain_rules.located import Fault, Lines, Located, Path, excerpt, line_of
from domain_rules.rules import AccountClass, Kind, Rule

__all__ = [
    "Duplicate",
    "Fault",
    "FederationReading",
    "HomeserverEntry",
    "Reading",
    "read_federation",
    "read_plain_list",
]

NeverAgent = Callable[[str], str | None]
"""Why a domain may never be opened to agents (free mail, disposable, public suffix), or None."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A line that says again what an earlier one said."""

    line: int
    text: str
    first_line: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What a list gave. `lines` holds the line of each rule, in the same order."""

    rules: tuple[Rule, ...]
    lines: tuple[int, ...]
    faults: tuple[Fault, ...]
    duplicates: tuple[Duplicate, ...]


@dataclass(frozen=True, slots=True)
class FederationReading(Reading):
    """What a federation file gave."""

    homeservers: tuple[HomeserverEntry, ...]


def nobody_is_barred(_domain: str) -> str | None:
    return None


def read_plain_list(
    lines: Iterable[str],
    *,
    homeserver: str,
    organisation: str = "",
    account_class: AccountClass = AccountClass.AGENT,
    suffix: bool = False,
    requires_invite: bool | None = None,
    never_agent: NeverAgent = nobody_is_barred,
) -> Reading:
    """One domain a line; blank lines and lines that begin with # say nothing."""
    is_agents = account_class is AccountClass.AGENT
    found: dict[str, int] = {}
    faults, duplicates = [], []
    for number, line in enumerate(lines, start=1):
        # Only the line's own end: any other control character is a fault.
        text = line.removesuffix("\n").removesuffix("\r").removeprefix("\ufeff")
        if not text.strip(" \t") or text.lstrip(" \t").startswith("#"):
            continue
        domain, reason = _read_domain(text)
        reason = reason or (never_agent(domain) if is_agents else None)
        if reason:
            faults.append(Fault(number, excerpt(text), reason))
        elif domain in found:
            duplicates.append(Duplicate(number, excerpt(text), found[domain]))
        else:
            found[domain] = number
    rules = tuple(
        Rule(
            Kind.SUFFIX if suffix else Kind.DOMAIN,
            domain,
            account_class,
            homeserver,
            requires_invite=not is_agents if requires_invite is None else requires_invite,
            organisation=organisation,
        )
        for domain in found
    )
    return Reading(rules, tuple(found.values()), tuple(faults), tuple(duplicates))


def _read_domain(text: str) -> tuple[str, str | None]:
    """The domain of a line, or why it has none."""
    try:
        return parse_domain(text), None
    except InvalidAddress as error:
        bare = text.strip()
        if bare.startswith("*."):
            return (
                "",
                f"Write {excerpt(bare[2:])} and import it as a suffix: there are no patterns.",
            )
        if "://" in bare:
            return "", "This is a web address; the domain alone is wanted."
        if "@" in bare.removeprefix("@"):
            return "", "This is an address; the list takes domains only."
        return "", str(error)


def read_federation(
    document: object,
    lines: Lines | None = None,
    *,
    known_homeservers: Collection[str] = (),
    never_agent: NeverAgent = nobody_is_barred,
) -> FederationReading:
    """Our own file: `homeservers:` and `rules:`, see the sample federation.

    Rules may name the homeservers of the file and `known_homeservers`.
    """
    top = Located(document if isinstance(document, Mapping) else {}, (), lines or {})
    if not isinstance(document, Mapping):
        top.fault(None, "the file must hold homeservers: and rules:")
    top.check_keys({"homeservers", "rules"})
    faults = top.faults
    homeservers = _homeservers(top)
    reader = RuleReader(homeservers, frozenset(known_homeservers), never_agent)
    rules: list[tuple[Rule, int]] = []
    for entry in _entries(top, "rules"):
        rule = reader.read(entry)
        faults += entry.faults
        if rule:
            rules.append((rule, entry.line))
    kept, duplicates = without_repeats(rules, faults)
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
            said = f"this homeserver stands on line {found[server.name].line}"
            top.faults.append(Fault(server.line, server.name, said))
        elif server:
            found[server.name] = server
    return found


def _entries(top: Located, key: str) -> Iterable[Located]:
    value = top.content.get(key)
    if value is None:
        return
    if not isinstance(value, list):
        top.fault(key, f"{key} must be a list")
        return
    for index, item in enumerate(value):
        path: Path = (key, index)
        if isinstance(item, Mapping):
            yield Located(item, path, top.lines)
        else:
            line = line_of(top.lines, path)
            top.faults.append(Fault(line, excerpt(item), f"each of {key} must be a mapping"))


def without_repeats(
    rules: list[tuple[Rule, int]], faults: list[Fault]
) -> tuple[list[tuple[Rule, int]], list[Duplicate]]:
    """The first of equal rules; of contradicting ones also the first, with a fault."""
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
            reason = f"line {clash[1]} has another rule for the same"
            faults.append(Fault(line, rule.name, reason))
    return [pair for same in kept.values() for pair in same], duplicates
