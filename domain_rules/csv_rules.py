"""Reads and writes rules as CSV: a header, one rule per row, `;` or `,` between the fields."""

import csv
from collections.abc import Iterable, Iterator, Mapping

from domain_rules.federation import HomeserverEntry, RuleReader
from domain_rules.located import LineFault, Located, excerpt
from domain_rules.reading import Follow, NeverAgent, RuleReading, bar_no_domain, drop_repeated_rules
from domain_rules.reasons import reason
from domain_rules.rule import Rule, RuleKind
from domain_rules.spreadsheet_cells import unguard_cell, write_table
from domain_rules.writing import rule_fields, sort_rules

COLUMNS = (
    *("kind", "pattern", "class", "homeserver", "protected_homeserver", "requires_invite"),
    *("organisation", "sibling_of", "moved_from", "moving_until", "note"),
    *("valid_from", "valid_until", "extra_signs"),
)
KINDS = frozenset(kind.value for kind in RuleKind)
NEEDED = frozenset({"kind", "pattern"})
FLAGS: Mapping[str, bool] = {"true": True, "yes": True, "1": True, "vrai": True, "oui": True} | {
    "false": False,
    "no": False,
    "0": False,
    "faux": False,
    "non": False,
}


def is_rules_csv(text: str) -> bool:
    """Whether the first line is the header of such a file."""
    return set(_header(text)) >= NEEDED


def read_csv(
    text: str,
    *,
    known_homeservers: Mapping[str, bool],
    never_agent: NeverAgent = bar_no_domain,
    follow: Follow = iter,
) -> RuleReading:
    """The rules of a CSV file. `known_homeservers`: for each name, whether it is for guests."""
    servers = {
        name: HomeserverEntry(line=0, name=name, url="", guests=guests)
        for name, guests in known_homeservers.items()
    }
    reader = RuleReader(servers, (), never_agent)
    faults: list[LineFault] = []
    rules: list[tuple[Rule, int]] = []
    for line, row in follow(_rows(text, faults)):
        entry = Located(row, (), {(): line})
        rule = reader.read(entry)
        faults += entry.faults
        if rule:
            rules.append((rule, line))
    kept, duplicates = drop_repeated_rules(rules, faults)
    return RuleReading(
        rules=tuple(rule for rule, _ in kept),
        lines=tuple(line for _, line in kept),
        faults=tuple(sorted(faults, key=lambda fault: fault.line)),
        duplicates=tuple(duplicates),
    )


def write_csv(rules: Iterable[Rule]) -> str:
    """The rules as CSV, in an order that does not depend on theirs."""
    return write_table([COLUMNS, *map(_fields, sort_rules(rules))])


def _fields(rule: Rule) -> list[str]:
    said = rule_fields(rule) | {"kind": rule.kind.value, "pattern": rule.pattern}
    return [_field(said.get(column)) for column in COLUMNS]


def _field(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return " ".join(value)
    return "" if value is None else str(value)


def _header(text: str) -> list[str]:
    first = text.partition("\n")[0].rstrip("\r").removeprefix("\ufeff")
    return [name.strip().strip('"').lower() for name in first.split(_delimiter(first))]


def _delimiter(first: str) -> str:
    return ";" if first.count(";") > first.count(",") else ","


def _rows(text: str, faults: list[LineFault]) -> Iterator[tuple[int, dict[object, object]]]:
    """Each row with its first line's number, as the values that a YAML rule would have."""
    header = _header(text)
    known = reason("unknown_column", known=", ".join(COLUMNS))
    faults.extend(LineFault(1, excerpt(name), known) for name in header if name not in COLUMNS)
    if len(set(header)) < len(header) or not NEEDED.issubset(header):
        said = reason("wrong_header")
        faults.append(LineFault(1, excerpt(";".join(header)), said))
    if faults:
        return
    lines = (f"{each}\n" for each in text.split("\n"))
    reader = csv.reader(lines, delimiter=_delimiter(text.partition("\n")[0]), strict=True)
    line = 1
    try:
        for number, fields in enumerate(reader):
            begun, line = line, reader.line_num + 1
            if number == 0 or not any(each.strip() for each in fields):
                continue
            if len(fields) > len(header):
                why = reason("too_many_fields", n=len(fields), all=len(header))
                faults.append(LineFault(begun, excerpt(";".join(fields)), why))
                continue
            cells = map(unguard_cell, fields)
            yield begun, _values(dict(zip(header, cells, strict=False)))
    except csv.Error as error:
        faults.append(LineFault(line, "", reason("no_csv", error=str(error))))


def _values(row: Mapping[str, str]) -> dict[object, object]:
    values: dict[object, object] = {
        name: text for name, text in row.items() if text.strip() and name not in NEEDED
    }
    kind, pattern = row["kind"].strip().lower(), row.get("pattern", "")
    if kind in KINDS:  # else the reader reports the fault
        values[kind] = True if kind == RuleKind.DEFAULT.value and not pattern.strip() else pattern
    flag = row.get("requires_invite", "").strip().lower()
    if flag:
        values["requires_invite"] = FLAGS.get(flag, flag)
    if row.get("moved_from", "").strip():
        values["moved_from"] = row["moved_from"].split()
    return values
