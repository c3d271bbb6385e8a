"""A list of people as somebody has it, read as a whole: which column holds the addresses, who is meant, and what is not.

Every word with an @ is a person, a row that is told with its reason, or counted as standing in another column. Where
the file leaves a doubt, nobody is chosen: a row is told, or somebody must say which column is meant.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from .cutting import cut
from .files import MAX_ADDRESSES, MAX_BYTES, MAX_LINES, Fault, Unreadable, decode, without_paste
from .headers import DOUBTFUL, Fit, excludes, fit, names_others, words
from .people import Cell, Kind, is_address, one_address, read_cell
from .records import declared_separator
from .tables import MAX_CELL, MAX_TOLD, Cut, Line, Row, Table, aside, rows_of_line, shown

__all__ = [
    "EVERY",
    "MAX_ADDRESSES",
    "MAX_BYTES",
    "MAX_LINES",
    "Column",
    "Fault",
    "NoSuchColumn",
    "Reading",
    "Row",
    "Unreadable",
    "one_address",
    "read",
]

TRIED = 500  # records with an address, by which a separator is judged
MAX_COLUMNS = 9  # that can be chosen from
MAX_LOOKED_AT = 50  # columns of a table
EXAMPLES = 2
SEPARATORS = ";\t|,"  # a comma last, since it may stand inside names and numbers
EVERY = 0  # in place of a column: every address, in a list that has none


class NoSuchColumn(ValueError):
    """No column of that name or number holds addresses."""


@dataclass(frozen=True)
class Column:
    """A column that holds addresses: what would be read if it is the one. `elsewhere`: addresses in the others.

    `number` counts from one, through all tables of the file; EVERY for a list without columns.
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
    separator, text = declared_separator(without_paste(decode(raw)))
    if "@" not in text:
        raise Unreadable(Fault.NO_ADDRESS)
    if text.count("@") > MAX_ADDRESSES:
        raise Unreadable(Fault.TOO_MANY)
    reading = _read(text, separator or SEPARATORS)
    fits = tuple(column for column in reading.columns if len(column.rows) <= MAX_LINES)
    if not fits or reading.chosen not in (None, *fits):
        raise Unreadable(Fault.TOO_LONG)
    reading = Reading(fits, reading.chosen)
    return replace(reading, chosen=_wanted(reading.columns, wanted)) if wanted else reading


def _read(text: str, separators: str) -> Reading:
    """Which way of cutting makes sense of the text."""
    best = _best_cut(text, separators)
    if best and best.has_names and best.understood:
        return _read_table(best)
    plain = cut(text, "")
    best = best or plain
    # Line by line, the inside of a note would be people.
    is_torn = best.has_breaks and not plain.has_breaks
    if is_torn or (best.understood > plain.understood and not _is_of_mail(best)):
        return _read_table(best)
    return _read_lines(plain, best)


def _best_cut(text: str, separators: str) -> "Cut | None":
    """The one that has the names of columns, keeps cells of several lines together, understands most addresses.

    Judged by its beginning, where several separators stand in the text: only one way is gone to the end.
    """
    there = [each for each in separators if each in text]
    if there[1:]:
        tried = {each: _makes_sense(cut(text, each, most=TRIED)) for each in there}
        there.sort(key=tried.__getitem__, reverse=True)
    cuts = (cut(text, each) for each in there)
    return next((each for each in cuts if not each.is_wide), None)


def _makes_sense(table: Cut) -> "tuple[bool, bool, int]":
    return table.has_names, table.has_breaks, table.understood


def _read_lines(plain: Cut, best: Cut) -> Reading:
    _check_length(plain)
    if _may_be_columns(plain, best):
        has_cells = any(line.of_people[1:] for line in best.lines)
        columns = _columns(best if has_cells else _cut_at_blanks(plain))
        return Reading((*columns, _everybody(plain)), None)
    alone, everybody = _column(plain, plain.tables[0], 0), _everybody(plain)
    is_more = everybody.addresses > max(1, alone.addresses)
    # Where nobody is named there is nobody to choose.
    chosen = _likeliest((alone,), plain) if alone.addresses else alone
    return Reading((alone, everybody) if is_more else (alone,), chosen)


def _check_length(table: Cut) -> None:
    if table.is_over:
        raise Unreadable(Fault.TOO_LONG)


def _read_table(table: Cut) -> Reading:
    """By its columns; where nothing but people stands in it, it may as well be a list of them all."""
    _check_length(table)
    columns = _columns(table)
    holds_more = table.has_names or any(not line.holds_only_people for line in table.lines)
    if len(columns) == 1 or holds_more:
        return Reading(columns, _likeliest(columns, table))
    everybody = _everybody(table)
    return Reading((*columns, everybody), None if table.lines[1:] else everybody)


def _is_of_mail(table: Cut) -> bool:
    """`Team: a@b, c@d;` is no table: the words hold for what stands behind them."""
    return any(
        cell.is_labelled and line.of_people for line in table.lines for cell in line.found.values()
    )


def _may_be_columns(plain: Cut, best: Cut) -> bool:
    """Whether lines of several addresses may as well be columns: nobody but their owner knows.

    Not one line alone, nor one that goes on below, nor what is written as mail programs write it.
    """
    typed = [line.cells[0] for line in plain.lines]
    several = any(cell.people > 1 for line in plain.lines for cell in line.found.values())
    is_addressed = any(cell.is_labelled for line in plain.lines[:1] for cell in line.found.values())
    is_alone = not (typed[1:] or plain.tables[0].names)
    if not several or is_alone or is_addressed:
        return False
    goes_on = [text.endswith((",", ";")) for text in typed]
    if typed[1:] and all(goes_on[:-1]) and not goes_on[-1]:
        return False
    found = [line for line in best.lines if line.of_people[1:]]
    return not found or not all(map(_are_last_and_first_names, found))


def _are_last_and_first_names(line: Line) -> bool:
    """`DURAND, Camille <a@b>, MARTIN, Jean <c@d>` cut at its commas."""
    cells = line.cells
    return all(
        place and cells[place].endswith(">") and cells[place - 1] and "@" not in cells[place - 1]
        for place in line.of_people
    )


def _cut_at_blanks(plain: Cut) -> Cut:
    """`a@b c@d` in two cells, where nothing but addresses stands in the line."""
    table = Table()
    for line in plain.lines:
        words = line.cells[0].split()
        if len(words) == sum(cell.people for cell in line.found.values()):
            found = {place: read_cell(word) for place, word in enumerate(words)}
            table.add(Line(line.number, words, found))
        else:
            table.add(line)
    return Cut([table], plain.told)


def _everybody(cut: Cut) -> Column:
    """Everybody in a list that has no columns, also whom the words above do not call so.

    Lines like `Camille Durand a@b` name nobody by themselves: if all are such, somebody may say that they all do.
    """
    rows: list[Row] = []
    for line in cut.lines:
        for cell in line.found.values():
            rows += _rows_of(line.number, cell, "")
        if not line.found:
            rows.append(_without_address(line, 0))
    if not any(line.of_people and not line.label for line in cut.lines):
        rows = [replace(row, aside="") if is_address(row.text) else row for row in rows]
    people = [row.text for row in rows if not row.aside and is_address(row.text)]
    examples = tuple(dict.fromkeys(people[:EXAMPLES]))
    return Column(EVERY, "", examples, len(people), _in_order([*cut.told, *rows]), 0)


def _columns(cut: Cut) -> "tuple[Column, ...]":
    """Where addresses stand; the likeliest columns, if there are more than can be chosen from."""
    found: list[tuple[int, int, int, int]] = []
    for at, table in enumerate(cut.of_people):
        counts: Counter[int] = Counter()
        for line in table.lines:
            counts.update(line.of_people if table.people else list(line.found))
        rank = {
            place: (-fit(table.name(place)), -count)
            for place, count in counts.most_common(MAX_LOOKED_AT)
        }
        likely = sorted(rank, key=rank.__getitem__)[:MAX_COLUMNS]
        found += [(*rank[place], at, place) for place in likely]
    likeliest = sorted(found)[:MAX_COLUMNS]
    return tuple(
        _column(cut, cut.of_people[at], place)
        for *_, at, place in sorted(likeliest, key=lambda each: each[2:])
    )


def _column(cut: Cut, table: Table, place: int) -> Column:
    rows, examples = list(cut.told), dict[str, None]()
    addresses, elsewhere = 0, cut.ats - table.ats
    for line in table.lines:
        cell = line.found.get(place)
        is_uncut = place > 0 and len(line.cells) == 1  # `Durand,a@b` between lines of `Durand;a@b`
        if line.found and (is_uncut or table.is_shifted(line, place)):
            rows += rows_of_line(line, " · ".join(line.filled))
            continue
        rows += _rows_of(line.number, cell, line.label) if cell else [_without_address(line, place)]
        elsewhere += line.ats - (cell.text.count("@") if cell else 0)
        if cell and cell.names_people and not line.label:
            addresses += cell.people
            if len(examples) < EXAMPLES:
                examples[shown(cell.text, MAX_TOLD)] = None
    name = shown(table.name(place), MAX_TOLD)
    number = table.first + place + 1
    return Column(number, name, tuple(examples), addresses, _in_order(rows), elsewhere)


def _in_order(rows: "list[Row]") -> "tuple[Row, ...]":
    return tuple(sorted(rows, key=lambda row: row.line))


def _without_address(line: Line, place: int) -> Row:
    """A record without an address is told so."""
    typed = line.cells[place] if place < len(line.cells) else ""
    others = (cell for cell in line.filled if "@" not in cell)
    return Row(line.number, shown(typed or " · ".join(others), MAX_TOLD) or "…")


def _rows_of(number: int, cell: Cell, label: str) -> "Iterator[Row]":
    """`label`: the words above that do not say that these are the people."""
    around = label if cell.names_people else shown(cell.text, MAX_TOLD)
    for piece in cell.pieces:
        if piece.kind is Kind.ASIDE:
            yield aside(number, piece.text, around or shown(piece.text, MAX_TOLD))
        elif cell.names_people or piece.kind is Kind.PERSON:
            is_person = piece.kind is Kind.PERSON
            yield Row(number, shown(piece.text, MAX_CELL), aside=around if is_person else "")


def _likeliest(columns: "tuple[Column, ...]", cut: Cut) -> "Column | None":
    """The one whose name says best that these are the people meant, if nothing speaks against it. None: nobody knows."""
    (table, *others) = cut.of_people or cut.tables
    names = [name for name in table.names if name]
    if others or any(map(excludes, table.titles)) or (len(names) == 1 and names_others(names[0])):
        return None
    # Below a header, a column without a name may belong to the one beside it.
    unsaid = Fit.UNKNOWN if len(names) > 1 else Fit.UNSAID
    fits = [table.fit(each.number, each.name) if each.name else unsaid for each in columns]
    likely = [column for column, found in zip(columns, fits, strict=True) if found is max(fits)]
    return likely[0] if len(likely) == 1 and max(fits) not in DOUBTFUL else None


def _wanted(columns: "tuple[Column, ...]", wanted: str) -> Column:
    """By number, else by name as it reads without capitals, accents and signs."""
    said = wanted.strip()
    named = [column for column in columns if words(column.name) == words(said) and words(said)]
    for found in ([each for each in columns if str(each.number) == said], named):
        if len(found) == 1:
            return found[0]
    raise NoSuchColumn(wanted)
