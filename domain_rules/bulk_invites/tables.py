"""The text of a list of people as one separator cuts it: its tables, their lines, and what is said of an @ elsewhere."""

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property

from .doubts import asking, fit_in
from .headers import Fit, may_hold_addresses
from .people import Cell, asides, read_cell, words_with_at
from .records import BREAKS, Record

MAX_CELL = 400  # characters of a cell that are repeated
TITLES = 10  # records in which the header may stand, or what is none that we know
MAX_TOLD = 100  # characters of what stands around an address, or of a row without one


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
    """A record: its cells, what was found in those with an @, by place, and the words above that say whose these are not.

    `of_people`: the places of cells that name people. `filled`: the cells that are not blank. `ats`: signs in all of them.
    """

    number: int
    cells: "list[str]"
    found: "dict[int, Cell]"
    label: str = ""
    of_people: "list[int]" = field(default_factory=list)
    filled: "list[str]" = field(default_factory=list)
    ats: int = 0

    def __post_init__(self) -> None:
        self.of_people = [place for place, cell in self.found.items() if cell.names_people]
        self.filled = [cell for cell in self.cells if cell]
        self.ats = sum(cell.text.count("@") for cell in self.found.values())

    @classmethod
    def of(cls, record: Record) -> "Line":
        cells = record.cells
        with_at = [place for place, cell in enumerate(cells) if "@" in cell]
        return cls(record.number, cells, {place: read_cell(cells[place]) for place in with_at})

    @property
    def holds_only_people(self) -> bool:
        return len(self.of_people) == len(self.filled)


@dataclass
class Table:
    """Lines below one header. `titles`: the texts above it. `first`: how many columns the tables before it have."""

    names: "list[str]" = field(default_factory=list)
    titles: "list[str]" = field(default_factory=list)
    lines: "list[Line]" = field(default_factory=list)
    first: int = 0
    people: int = 0  # addresses in cells that hold nothing else

    def add(self, line: Line) -> None:
        self.lines.append(line)
        self.people += sum(line.found[place].people for place in line.of_people)

    @cached_property
    def ats(self) -> int:
        return sum(line.ats for line in self.lines)

    @cached_property
    def width(self) -> int:
        """Cells of a record as it should be: as the header says, or most lines do."""
        counts = Counter(len(line.cells) for line in self.lines if line.found)
        return len(self.names) or (counts.most_common(1)[0][0] if counts else 0)

    @cached_property
    def may_hold_addresses(self) -> "frozenset[int]":
        """Columns in which an address may be expected."""
        named = {place for place, name in enumerate(self.names) if may_hold_addresses(name)}
        return frozenset(named.union(*(line.found for line in self.lines)))

    @cached_property
    def asked(self) -> "dict[int, bool]":
        """Columns that say of each person whether they are meant; False where a yes is against it."""
        return asking(self.names)

    @cached_property
    def with_addresses(self) -> "frozenset[int]":
        return frozenset().union(*(line.found for line in self.lines))

    def fit(self, number: int, name: str) -> Fit:
        """How well a column fits, by the number it has in the file."""
        return fit_in(self.names, number - 1 - self.first, self.with_addresses, name)

    def name(self, place: int) -> str:
        """What stands above a column, also where it was not recognised as a header."""
        if self.names:
            return self.names[place] if place < len(self.names) else ""
        above: list[str] = []
        for line in self.lines[: TITLES + 1]:
            if place in line.found:
                return " ".join(above)
            if place < len(line.cells) and line.cells[place]:
                above.append(line.cells[place])
        return ""

    def is_shifted(self, line: Line, place: int) -> bool:
        """Whether this record has lost or won a cell, so that nobody knows whose address stands at this place.

        `Durand, Camille,a@b` under `nom,adresse`; `Durand,boss@b` under `nom,adresse,responsable`.
        """
        won = sum(map(bool, line.cells[self.width :]))
        if place not in line.found:
            return bool(self.names and won)
        lost = self.width - len(line.cells)
        beside = range(place - won, place) if won else range(place + 1, place + 1 + lost)
        return any(at in self.may_hold_addresses for at in beside)


@dataclass
class Cut:
    """The text as one separator cuts it. `rows_of_line`: what is said of an @ in comments, titles and headers."""

    tables: "list[Table]" = field(default_factory=lambda: [Table()])
    told: "list[Row]" = field(default_factory=list)
    is_over: bool = False  # longer than a list may be
    is_wide: bool = False  # wider than a table is

    @property
    def lines(self) -> "list[Line]":
        return [line for table in self.tables for line in table.lines]

    @cached_property
    def understood(self) -> int:
        """Addresses in cells that hold nothing else."""
        return sum(table.people for table in self.tables)

    @cached_property
    def ats(self) -> int:
        return sum(table.ats for table in self.tables)

    @cached_property
    def of_people(self) -> "list[Table]":
        """Those that hold people; if none does, those that hold an address at all."""
        return [each for each in self.tables if each.people] or [
            each for each in self.tables if each.ats
        ]

    @cached_property
    def has_names(self) -> bool:
        return any(table.names[1:] for table in self.of_people)

    @cached_property
    def has_breaks(self) -> bool:
        """Whether a quoted cell holds a line break: only this way of cutting keeps it together."""
        return any(BREAKS.search(" ".join(line.filled)) for line in self.lines)


def rows_of_line(line: Line, around: str = "") -> "list[Row]":
    """A row for each address in a record that names nobody. `around`: what it is told with; "": its cell."""
    cells = [(cell.text, shown(around or cell.text, MAX_TOLD)) for cell in line.found.values()]
    return [
        aside(line.number, piece.text, short)
        for text, short in cells
        for piece in asides(text.lstrip("#"))
    ]


def told_header(line: Line) -> "list[Row]":
    """In the names of columns the sign alone is a name."""
    return [
        aside(line.number, word, shown(cell.text, MAX_TOLD))
        for cell in line.found.values()
        for word in words_with_at(cell.text)
        if word.strip("@")
    ]


def aside(number: int, text: str, around: str) -> Row:
    return Row(number, shown(text, MAX_CELL), aside=around)


def shown(text: str, most: int) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= most else f"{plain[: most - 1]}…"
