"""Our own CSV: one rule a row, a header, `;` or `,` between the fields. Read and written here."""

import csv
from collections.abc import Iterable, Iterator, Mapping

from domain_rules.federation import HomeserverEntry, RuleReader
from domain_rules.located import Fault, Located, excerpt
from domain_rules.reading import NeverAgent, Reading, nobody_is_barred, without_repeats
from domain_rules.rules import Kind, Rule
from domain_rules.spreadsheet_cells import unguarded, write_table
from domain_rules.writing import facts, in_stable_order

COLUMNS = (
    *("kind", "pattern", "class", "homeserver", "protected_homeserver", "requires_invite"),
    *("organisation", "sibling_of", "moved_from", "moving_until", "note"),
    *("valid_from", "valid_until", "extra_signs"),
)
KINDS = frozenset(kind.value for kind in Kind)
NEEDED = frozenset({"kind", "pattern"})
FLAGS: Mapping[str, bool] = {"true": True, "yes": True, "1": True, "vrai": True, "oui": True} | {
    "false": False,
    "no": False,
    "0": False,
    "faux": False,
    "non": False,
}


def is_rules_csv(text: str) -> bool:
    """Whether the first line is our header."""
    return set(_header(text)) >= NEEDED


def read_csv(
    text: str,
    *,
    known_homeservers: Mapping[str, bool],
    never_agent: NeverAgent = nobody_is_barred,
) -> Reading:
    """The rules of a CSV file. `known_homeservers`: whether each is for guests."""
    servers = {
        name: HomeserverEntry(line=0, name=name, url="", guests=guests)
        for name, guests in known_homeservers.items()
    }
    reader = RuleReader(servers, (), never_agent)
    faults: list[Fault] = []
    rules: list[tuple[Rule, int]] = []
    for line, row in _rows(text, faults):
        entry = Located(row, (), {(): line})
        rule = reader.read(entry)
        faults += entry.faults
        if rule:
            rules.append((rule, line))
    kept, duplicates = without_repeats(rules, faults)
    return Reading(
        rules=tuple(rule for rule, _ in kept),
        lines=tuple(line for _, line in kept),
        faults=tuple(sorted(faults, key=lambda fault: fault.line)),
        duplicates=tuple(duplicates),
    )


def write_csv(rules: Iterable[Rule]) -> str:
    """The same file for the same rules, whatever their order."""
    return write_table([COLUMNS, *map(_fields, in_stable_order(rules))])


def _fields(rule: Rule) -> list[str]:
    said = facts(rule) | {"kind": rule.kind.value, "pattern": rule.pattern}
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


def _rows(text: str, faults: list[Fault]) -> Iterator[tuple[int, dict[object, object]]]:
    """Each row with the line on which it begins, as the values a YAML rule would have."""
    header = _header(text)
    known = f"unknown column; known are {', '.join(COLUMNS)}"
    faults.extend(Fault(1, excerpt(name), known) for name in header if name not in COLUMNS)
    if len(set(header)) < len(header) or not NEEDED.issubset(header):
        said = "kind and pattern must stand there, and no column twice"
        faults.append(Fault(1, excerpt(";".join(header)), said))
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
                reason = f"{len(fields)} fields, and the header has {len(header)}"
                faults.append(Fault(begun, excerpt(";".join(fields)), reason))
                continue
            cells = map(unguarded, fields)
            yield begun, _values(dict(zip(header, cells, strict=False)))
    except csv.Error as error:
        faults.append(Fault(line, "", f"not CSV from here on: {error}"))


def _values(row: Mapping[str, str]) -> dict[object, object]:
    values: dict[object, object] = {
        name: text for name, text in row.items() if text.strip() and name not in NEEDED
    }
    kind, pattern = row["kind"].strip().lower(), row.get("pattern", "")
    if kind in KINDS:  # else the reader says what may stand there
        values[kind] = True if kind == Kind.DEFAULT.value and not pattern.strip() else pattern
    flag = row.get("requires_invite", "").strip().lower()
    if flag:
        values["requires_invite"] = FLAGS.get(flag, flag)
    if row.get("moved_from", "").strip():
        values["moved_from"] = row["moved_from"].split()
    return values
