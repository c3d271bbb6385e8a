"""The text of a list as one separator cuts it: tables, lines, and addresses found elsewhere."""

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property

from .doubts import find_question_columns, fit_in_table
from .headers import Fit, may_hold_addresses
from .people import Cell, find_asides, read_cell, words_with_at
from .records import BREAKS, Record

MAX_CELL = 400  # characters of a cell that are stored
MAX_TITLES = 10  # records above people in which a header is looked for
MAX_SHOWN = 100  # characters of the text shown with an address


@dataclass(frozen=True)
class Row:
    """One person of the list, or an address that is only reported.

    `line`: number of the record, counted from one, blank ones too. `is_kept`: confirmed as typed.
    `aside`: the text in which the address stood; nobody is invited by it before somebody confirms.
    """

    line: int
    text: str
    is_kept: bool = False
    aside: str = ""


@dataclass
class TableLine:
    """A record: its cells, and what was read in those with an @, by place.

    `label`: words that say whose addresses these are not. `of_people`: places of cells that name
    people. `filled`: cells that are not blank. `ats`: number of @ in the record.
    """

    number: int
    cells: list[str]
    found: dict[int, Cell]
    label: str = ""
    of_people: list[int] = field(default_factory=list)
    filled: list[str] = field(default_factory=list)
    ats: int = 0

    def __post_init__(self) -> None:
        self.of_people = [place for place, cell in self.found.items() if cell.names_people]
        self.filled = [cell for cell in self.cells if cell]
        self.ats = sum(cell.text.count("@") for cell in self.found.values())

    @classmethod
    def from_record(cls, record: Record) -> "TableLine":
        """Read the cells with an @."""
        cells = record.cells
        with_at = [place for place, cell in enumerate(cells) if "@" in cell]
        return cls(record.number, cells, {place: read_cell(cells[place]) for place in with_at})

    @property
    def holds_only_people(self) -> bool:
        """Whether every cell that is not blank names people."""
        return len(self.of_people) == len(self.filled)


@dataclass
class Table:
    """Lines below one header. `titles`: texts above it.

    `first`: the number of columns in the tables before it.
    """

    names: list[str] = field(default_factory=list)
    titles: list[str] = field(default_factory=list)
    lines: list[TableLine] = field(default_factory=list)
    first: int = 0
    people: int = 0  # addresses in cells that hold nothing else

    def add(self, line: TableLine) -> None:
        self.lines.append(line)
        self.people += sum(line.found[place].people for place in line.of_people)

    @cached_property
    def ats(self) -> int:
        """The number of @ in the table."""
        return sum(line.ats for line in self.lines)

    @cached_property
    def width(self) -> int:
        """The number of cells a record should have, by the header or by most lines."""
        counts = Counter(len(line.cells) for line in self.lines if line.found)
        return len(self.names) or (counts.most_common(1)[0][0] if counts else 0)

    @cached_property
    def may_hold_addresses(self) -> frozenset[int]:
        """Places of columns in which an address may be expected."""
        named = {place for place, name in enumerate(self.names) if may_hold_addresses(name)}
        return frozenset(named.union(*(line.found for line in self.lines)))

    @cached_property
    def asked(self) -> dict[int, bool]:
        """See `find_question_columns`."""
        return find_question_columns(self.names)

    @cached_property
    def with_addresses(self) -> frozenset[int]:
        """Places of columns in which an @ occurs."""
        return frozenset().union(*(line.found for line in self.lines))

    def fit(self, number: int, name: str) -> Fit:
        """How well a column fits, by its number in the file."""
        return fit_in_table(self.names, number - 1 - self.first, self.with_addresses, name)

    def name(self, place: int) -> str:
        """The text above a column, also where it was not recognised as a header."""
        if self.names:
            return self.names[place] if place < len(self.names) else ""
        above: list[str] = []
        for line in self.lines[: MAX_TITLES + 1]:
            if place in line.found:
                return " ".join(above)
            if place < len(line.cells) and line.cells[place]:
                above.append(line.cells[place])
        return ""

    def is_shifted(self, line: TableLine, place: int) -> bool:
        """Whether the record lost or gained a cell, so that its addresses may be other people's.

        `Durand, Camille,a@b` under `nom,adresse`; `Durand,boss@b` under `nom,adresse,responsable`.
        """
        won = sum(map(bool, line.cells[self.width :]))
        if place not in line.found:
            return bool(self.names and won)
        lost = self.width - len(line.cells)
        beside = range(place - won, place) if won else range(place + 1, place + 1 + lost)
        return any(at in self.may_hold_addresses for at in beside)


@dataclass
class CutText:
    """The text as one separator cuts it. `reported`: rows for addresses in comments and headers."""

    tables: list[Table] = field(default_factory=lambda: [Table()])
    reported: list[Row] = field(default_factory=list)
    is_over: bool = False  # longer than MAX_LINES
    is_wide: bool = False  # wider than MAX_CELLS

    @property
    def lines(self) -> list[TableLine]:
        return [line for table in self.tables for line in table.lines]

    @cached_property
    def understood(self) -> int:
        """The number of addresses in cells that hold nothing else."""
        return sum(table.people for table in self.tables)

    @cached_property
    def ats(self) -> int:
        return sum(table.ats for table in self.tables)

    @cached_property
    def of_people(self) -> list[Table]:
        """The tables that hold people; if none does, those that hold an address."""
        return [each for each in self.tables if each.people] or [
            each for each in self.tables if each.ats
        ]

    @cached_property
    def has_names(self) -> bool:
        """Whether a table with people has the names of several columns."""
        return any(table.names[1:] for table in self.of_people)

    @cached_property
    def has_breaks(self) -> bool:
        """Whether a quoted cell holds a line break, which only this cut keeps together."""
        return any(BREAKS.search(" ".join(line.filled)) for line in self.lines)


def rows_of_line(line: TableLine, around: str = "") -> list[Row]:
    """A row for each address of a record that names nobody.

    `around`: the text to report it with, its cell if empty.
    """
    cells = [(cell.text, shorten(around or cell.text, MAX_SHOWN)) for cell in line.found.values()]
    return [
        make_aside(line.number, piece.text, short)
        for text, short in cells
        for piece in find_asides(text.lstrip("#"))
    ]


def rows_of_header(line: TableLine) -> list[Row]:
    """A row for each address in column names; a single @ is part of the name."""
    return [
        make_aside(line.number, word, shorten(cell.text, MAX_SHOWN))
        for cell in line.found.values()
        for word in words_with_at(cell.text)
        if word.strip("@")
    ]


def make_aside(number: int, text: str, around: str) -> Row:
    """A row for an address that is only reported, with the text around it."""
    return Row(number, shorten(text, MAX_CELL), aside=around)


def shorten(text: str, most: int) -> str:
    """The text in one line, with at most `most` characters."""
    plain = " ".join(text.split())
    return plain if len(plain) <= most else f"{plain[: most - 1]}…"
