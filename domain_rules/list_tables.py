"""The text of a list of people as one separator cuts it: its header, its lines, and what is said of an @ elsewhere."""

from dataclasses import dataclass, field
from functools import cached_property

from domain_rules.list_headers import is_header
from domain_rules.list_people import Cell, asides, read_cell, words_with_at
from domain_rules.list_records import BREAKS, Record, records

MOST_LINES = 10_000
MOST_CELL = 400  # characters of a cell that are repeated
MOST_TOLD = 100  # characters of what stands around an address, or of a row without one
TITLES = 10  # records in which the header may stand


@dataclass(frozen=True)
class Row:
    """One person as the list names them, or an address that is only told.

    `line` is the number of the record, counted from one, blank ones too. `is_kept`: confirmed as typed. `aside`: the
    text in which the address stood, so that it is nobody's before somebody says so.
    """

    line: int
    text: str
    is_kept: bool = False
    aside: str = ""


@dataclass
class Line:
    """A record: its cells, and what was found in those with an @, by place."""

    number: int
    cells: "list[str]"
    found: "dict[int, Cell]"

    @cached_property
    def of_people(self) -> "list[int]":
        return [place for place, cell in self.found.items() if cell.names_people]


@dataclass
class Table:
    """The text as one separator cuts it. `told`: what is said of an @ in comments and headers."""

    header: "list[str]" = field(default_factory=list)
    lines: "list[Line]" = field(default_factory=list)
    told: "list[Row]" = field(default_factory=list)
    is_over: bool = False

    @cached_property
    def understood(self) -> int:
        """Addresses in cells that hold nothing else."""
        return sum(line.found[place].people for line in self.lines for place in line.of_people)

    @cached_property
    def has_breaks(self) -> bool:
        """Whether a quoted cell holds a line break: only this way of cutting keeps it together."""
        return any(BREAKS.search(cell) for line in self.lines for cell in line.cells)


def cut(text: str, separator: str) -> Table:
    table, is_beginning = Table(), True
    for record in records(text, separator):
        if not any(record.cells):
            continue
        line = _line(record)
        is_beginning = is_beginning and len(table.lines) < TITLES and not line.of_people
        if is_beginning and _is_better_header(record.cells, table.header):
            _take_header(table, record)
        elif record.cells[0].startswith("#"):
            table.told += told(line)
        else:
            table.lines.append(line)
        if len(table.lines) > MOST_LINES or len(table.told) > MOST_LINES:
            table.is_over = True
            break
    return table


def _line(record: Record) -> Line:
    with_at = (place for place, cell in enumerate(record.cells) if "@" in cell)
    return Line(
        record.number, record.cells, {place: read_cell(record.cells[place]) for place in with_at}
    )


def _is_better_header(cells: "list[str]", header: "list[str]") -> bool:
    """A title or a comment may have a header's words too; the names of columns are several."""
    filled = sum(map(bool, cells))
    least = max(sum(map(bool, header)), int(cells[0].startswith("#")))
    return filled > least and is_header(cells)


def _take_header(table: Table, record: Record) -> None:
    """What stands above the names of columns is a title. In them the sign alone is a name."""
    for line in table.lines:
        table.told += told(line)
    table.lines.clear()
    table.header = record.cells
    table.told += [
        aside(record.number, word, shown(cell, MOST_TOLD))
        for cell in record.cells
        if "@" in cell
        for word in words_with_at(cell)
        if word.strip("@")
    ]


def told(line: Line) -> "list[Row]":
    """A row for each address in a record that names nobody."""
    around = [(cell.text, shown(cell.text, MOST_TOLD)) for cell in line.found.values()]
    return [
        aside(line.number, piece.text, short)
        for text, short in around
        for piece in asides(text.lstrip("#"))
    ]


def aside(number: int, text: str, around: str) -> Row:
    return Row(number, shown(text, MOST_CELL), aside=around)


def shown(text: str, most: int) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= most else f"{plain[: most - 1]}…"
