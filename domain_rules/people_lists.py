"""A list of people as somebody has it, read as a whole: which column holds the addresses, who is meant, and what is not.

Every word with an @ is a person, a row that is told with its reason, or counted as standing in another column.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from domain_rules.list_files import MOST_BYTES, Fault, Unreadable, decode
from domain_rules.list_headers import NEVER_BY_ITSELF, UNSAID, rank, words
from domain_rules.list_people import TO, Cell, Kind, is_address, one_address, read_cell
from domain_rules.list_records import declared_separator
from domain_rules.list_tables import (
    MOST_CELL,
    MOST_LINES,
    MOST_TOLD,
    Line,
    Row,
    Table,
    aside,
    cut,
    shown,
    told,
)

__all__ = [
    "EVERY",
    "MOST_BYTES",
    "MOST_LINES",
    "Column",
    "Fault",
    "NoSuchColumn",
    "Reading",
    "Row",
    "Unreadable",
    "one_address",
    "read",
]

MOST_ATS = 10 * MOST_LINES  # so many words with an @ are no list of so many lines
MOST_COLUMNS = 9  # that can be chosen from
EXAMPLES = 2
SEPARATORS = ";\t|,"  # a comma last, since it may stand inside names and numbers
EVERY = 0  # in place of a column: every address, in a list that has none
# Without a header, the column of so many addresses is meant although others hold a stray one.
STRAY, ENOUGH = 10, 20
IN_A_TABLE = re.compile(
    r"[;,|]\S|\t|@\S*[^\s;,|] "
)  # between cells; mail programs put a sign and a blank between people


class NoSuchColumn(ValueError):
    """No column of that name or number holds addresses."""


@dataclass(frozen=True)
class Column:
    """A column that holds addresses: what would be read if it is the one. `elsewhere`: addresses in the others.

    `number` counts from one; EVERY for a list without columns.
    """

    number: int
    name: str
    examples: "tuple[str, ...]"
    addresses: int
    rows: "tuple[Row, ...]"
    elsewhere: int


@dataclass(frozen=True)
class Reading:
    """A list that was read. `chosen` is None where somebody must say which column is meant."""

    columns: "tuple[Column, ...]"
    chosen: "Column | None"


def read(raw: bytes, wanted: str = "") -> Reading:
    """The rows of a file or of a pasted text. `wanted`: the column's name or number. Raises Unreadable, NoSuchColumn."""
    separator, text = declared_separator(decode(raw))
    if "@" not in text:
        raise Unreadable(Fault.NO_ADDRESS)
    if text.count("@") > MOST_ATS:
        raise Unreadable(Fault.TOO_LONG)
    reading = _read(
        cut(text, ""), [cut(text, each) for each in separator or SEPARATORS if each in text]
    )
    if any(len(column.rows) > MOST_LINES for column in reading.columns):
        raise Unreadable(Fault.TOO_LONG)
    return replace(reading, chosen=_wanted(reading.columns, wanted)) if wanted else reading


def _read(plain: Table, tables: "list[Table]") -> Reading:
    """Which way of cutting makes sense of the text, and which column of it."""
    best = max(
        tables,
        key=lambda table: (bool(table.header[1:]), table.has_breaks, table.understood),
        default=plain,
    )
    has_names = bool(best.header[1:] and best.understood)
    # Line by line, the inside of a note would be people.
    is_torn = best.has_breaks and not plain.has_breaks
    if has_names or is_torn or best.understood > plain.understood:
        _check_length(best)
        columns = tuple(_column(best, place) for place in _places(best))
        return Reading(columns, _best(columns))
    _check_length(plain)
    alone = _column(plain, 0)
    if not _looks_like_columns(best, plain):
        best = _cut_at_blanks(plain)
    if _looks_like_columns(best, plain):
        columns = tuple(_column(best, place) for place in _places(best))
        return Reading((*columns, replace(alone, number=EVERY)), None)
    return Reading((alone, *_everything(plain, alone)), alone)


def _everything(table: Table, told_only: Column) -> "list[Column]":
    """Lines like `Camille Durand a@b` name nobody by themselves: somebody may say that they all do."""
    kept = frozenset(table.told)
    rows = [
        replace(row, aside="") if is_address(row.text) and row not in kept else row
        for row in told_only.rows
    ]
    found = [row.text for row in rows if is_address(row.text) and not row.aside]
    if told_only.addresses or len(found) < 2:  # noqa: PLR2004
        return []
    examples = tuple(found[:EXAMPLES])
    return [Column(EVERY, "", examples, len(found), tuple(rows), 0)]


def _check_length(table: Table) -> None:
    if table.is_over:
        raise Unreadable(Fault.TOO_LONG)


def _cut_at_blanks(plain: Table) -> Table:
    """`a@b c@d` in two cells, where nothing but addresses stands in the line."""
    lines = []
    for line in plain.lines:
        words = line.cells[0].split()
        if len(words) == sum(cell.people for cell in line.found.values()):
            found = {place: read_cell(word) for place, word in enumerate(words)}
            lines.append(Line(line.number, words, found))
        else:
            lines.append(line)
    return Table(lines=lines, told=plain.told)


def _looks_like_columns(table: Table, plain: Table) -> bool:
    """Whether lines of several addresses may as well be columns: nobody but their owner knows."""
    several = [line for line in table.lines if len(line.of_people) > 1]
    if not several or len(table.lines) == 1 or TO.match(table.lines[0].cells[0]):
        return False
    many = max(len(line.of_people) for line in several)
    filled = sum(bool(cell) for line in table.lines for cell in line.cells)
    only_people = filled == sum(len(line.of_people) for line in table.lines)
    if many > 2 and only_people and not _are_even(table, several, plain):  # noqa: PLR2004
        return False
    return not all(_are_last_and_first_names(line) for line in several)


def _are_even(table: Table, several: "list[Line]", plain: Table) -> bool:
    """Whether lines hold the same number of addresses, or one address again: as columns do, and hardly a list of people.

    Mail programs write `; ` between people, and nobody twice.
    """
    found = [cell.text.lower() for line in table.lines for cell in line.found.values()]
    if len(set(found)) < len(found):
        return True
    is_of_mail = all(IN_A_TABLE.search(line.cells[0]) is None for line in plain.lines)
    return not is_of_mail and len({len(line.of_people) for line in several}) < len(several)


def _are_last_and_first_names(line: Line) -> bool:
    """`DURAND, Camille <a@b>, MARTIN, Jean <c@d>` cut at its commas."""
    cells = line.cells
    return all(
        place and cells[place].endswith(">") and cells[place - 1] and "@" not in cells[place - 1]
        for place in line.of_people
    )


def _places(table: Table) -> "list[int]":
    """Where addresses stand, the likeliest column first if there are more than can be chosen from."""
    counts: dict[int, int] = {}
    for line in table.lines:
        for place in line.of_people if table.understood else line.found:
            counts[place] = counts.get(place, 0) + 1
    names = dict(enumerate(table.header))
    likely = sorted(counts, key=lambda place: (-rank(names.get(place, "")), -counts[place], place))
    return sorted(likely[:MOST_COLUMNS])


def _column(table: Table, place: int) -> Column:
    rows, examples = list(table.told), dict[str, None]()
    addresses = elsewhere = 0
    for line in table.lines:
        cell = line.found.get(place)
        if cell is None and line.found and _is_shifted(table, line):
            rows += told(line)
            continue
        rows += _rows_of(line, cell) if cell else [_without_address(line, place)]
        elsewhere += sum(each.text.count("@") for at, each in line.found.items() if at != place)
        if cell and cell.names_people:
            addresses += cell.people
            if len(examples) < EXAMPLES:
                examples[shown(cell.text, MOST_TOLD)] = None
    name = table.header[place] if place < len(table.header) else ""
    rows.sort(key=lambda row: row.line)
    return Column(
        place + 1, shown(name, MOST_TOLD), tuple(examples), addresses, tuple(rows), elsewhere
    )


def _is_shifted(table: Table, line: Line) -> bool:
    """`Durand, Camille,a@b` under `nom,adresse`: a separator stands in a cell, and nobody knows in which."""
    return bool(table.header) and any(line.cells[len(table.header) :])


def _without_address(line: Line, place: int) -> Row:
    """A record without an address is told so."""
    typed = line.cells[place] if place < len(line.cells) else ""
    others = (cell for cell in line.cells if cell and "@" not in cell)
    return Row(line.number, shown(typed or " · ".join(others), MOST_TOLD) or "…")


def _rows_of(line: Line, cell: Cell) -> "Iterator[Row]":
    around = "" if cell.names_people else shown(cell.text, MOST_TOLD)
    for piece in cell.pieces:
        if piece.kind is Kind.ASIDE:
            yield aside(line.number, piece.text, around or shown(piece.text, MOST_TOLD))
        elif cell.names_people or piece.kind is Kind.PERSON:
            yield Row(line.number, shown(piece.text, MOST_CELL), aside=around)


def _best(columns: "tuple[Column, ...]") -> "Column | None":
    """The one whose name says it; without names, the one that holds nearly all addresses. None: nobody knows."""
    ranks = {column.number: rank(column.name) for column in columns}
    best = max(ranks.values(), default=NEVER_BY_ITSELF)
    likely = [column for column in columns if ranks[column.number] == best]
    if best == NEVER_BY_ITSELF:
        return None
    if len(likely) == 1:
        return likely[0]
    return _fullest(likely) if best == UNSAID else None


def _fullest(columns: "list[Column]") -> "Column | None":
    first, *others = sorted(columns, key=lambda column: -column.addresses)
    different = len({row.text.lower() for row in first.rows})
    is_clear = all(other.addresses * STRAY <= first.addresses for other in others)
    is_of_people = first.addresses >= ENOUGH and different * 2 >= first.addresses
    return first if is_clear and is_of_people else None


def _wanted(columns: "tuple[Column, ...]", wanted: str) -> Column:
    """By number, else by name as it reads without capitals, accents and signs."""
    said = wanted.strip()
    named = [column for column in columns if words(column.name) == words(said) and words(said)]
    for found in ([each for each in columns if str(each.number) == said], named):
        if len(found) == 1:
            return found[0]
    raise NoSuchColumn(wanted)
