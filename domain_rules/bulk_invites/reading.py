"""Reads a list of people as a whole: which column holds the addresses, and who is meant.

Every word with an @ is a person, a row reported with its reason, or counted as standing in another
column. In doubt nobody is chosen: the row is reported, or somebody must choose the column.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from .cutting import cut_tables
from .files import (
    MAX_ADDRESSES,
    MAX_LINES,
    FileFault,
    UnreadableFile,
    clean_paste,
    decode_file,
)
from .headers import DOUBTFUL, Fit, excludes, fit_of, names_others, words_of
from .people import Cell, PieceKind, is_address, read_cell
from .records import declared_separator
from .tables import (
    MAX_CELL,
    MAX_SHOWN,
    CutText,
    Row,
    Table,
    TableLine,
    make_aside,
    rows_of_line,
    shorten,
)

MAX_TRIED = 500  # records with an address by which a separator is judged
MAX_COLUMNS = 9  # offered for choice
MAX_LOOKED_AT = 50  # columns of a table
EXAMPLES = 2
SEPARATORS = ";\t|,"  # comma last: it also occurs in names and numbers
EVERY_ADDRESS = 0  # stands for a column in lists that have none


class NoSuchColumn(ValueError):
    """No column of that name or number holds addresses."""


@dataclass(frozen=True)
class Column:
    """A column with addresses, and the rows it would give.

    `number` counts from one through all tables of the file; EVERY_ADDRESS for a list without
    columns. `elsewhere`: number of addresses in other columns.
    """

    number: int
    name: str
    examples: tuple[str, ...]
    addresses: int
    rows: tuple[Row, ...]
    elsewhere: int


@dataclass(frozen=True)
class Reading:
    """A list that was read. `chosen` is None if somebody must say which column is meant."""

    columns: tuple[Column, ...]
    chosen: Column | None


def read_people(raw: bytes, wanted: str = "") -> Reading:
    """The columns of a file or a pasted text, with their rows.

    `wanted`: name or number of the column. Raises UnreadableFile, NoSuchColumn.
    """
    separator, text = declared_separator(clean_paste(decode_file(raw)))
    if "@" not in text:
        raise UnreadableFile(FileFault.NO_ADDRESS)
    if text.count("@") > MAX_ADDRESSES:
        raise UnreadableFile(FileFault.TOO_MANY)
    reading = _read(text, separator or SEPARATORS)
    fits = tuple(column for column in reading.columns if len(column.rows) <= MAX_LINES)
    if not fits or reading.chosen not in (None, *fits):
        raise UnreadableFile(FileFault.TOO_LONG)
    reading = Reading(fits, reading.chosen)
    return replace(reading, chosen=_wanted(reading.columns, wanted)) if wanted else reading


def _read(text: str, separators: str) -> Reading:
    """Choose the separator that makes sense of the text, and read the result."""
    best = _best_cut(text, separators)
    if best and best.has_names and best.understood:
        return _read_table(best)
    plain = cut_tables(text, "")
    best = best or plain
    # Cut line by line, a multi-line remark would become people.
    is_torn = best.has_breaks and not plain.has_breaks
    if is_torn or (best.understood > plain.understood and not _is_of_mail(best)):
        return _read_table(best)
    return _read_lines(plain, best)


def _best_cut(text: str, separators: str) -> CutText | None:
    """The cut with column names, multi-line cells kept together, most addresses understood.

    If several separators occur they are compared by the beginning of the text; only one is then
    used for all of it.
    """
    there = [each for each in separators if each in text]
    if there[1:]:
        tried = {each: _makes_sense(cut_tables(text, each, most=MAX_TRIED)) for each in there}
        there.sort(key=tried.__getitem__, reverse=True)
    cuts = (cut_tables(text, each) for each in there)
    return next((each for each in cuts if not each.is_wide), None)


def _makes_sense(table: CutText) -> tuple[bool, bool, int]:
    return table.has_names, table.has_breaks, table.understood


def _read_lines(plain: CutText, best: CutText) -> Reading:
    _check_length(plain)
    if _may_be_columns(plain, best):
        has_cells = any(line.of_people[1:] for line in best.lines)
        columns = _columns(best if has_cells else _cut_at_blanks(plain))
        return Reading((*columns, _everybody(plain)), None)
    alone, everybody = _column(plain, plain.tables[0], 0), _everybody(plain)
    is_more = everybody.addresses > max(1, alone.addresses)
    # A column without any address needs no choice.
    chosen = _likeliest((alone,), plain) if alone.addresses else alone
    return Reading((alone, everybody) if is_more else (alone,), chosen)


def _check_length(table: CutText) -> None:
    if table.is_over:
        raise UnreadableFile(FileFault.TOO_LONG)


def _read_table(table: CutText) -> Reading:
    """By columns. If the table holds only people, it may also be read as a list of them all."""
    _check_length(table)
    columns = _columns(table)
    holds_more = table.has_names or any(not line.holds_only_people for line in table.lines)
    if len(columns) == 1 or holds_more:
        return Reading(columns, _likeliest(columns, table))
    everybody = _everybody(table)
    return Reading((*columns, everybody), None if table.lines[1:] else everybody)


def _is_of_mail(table: CutText) -> bool:
    """`Team: a@b, c@d;` is no table: the label applies to what stands behind it."""
    return any(
        cell.is_labelled and line.of_people for line in table.lines for cell in line.found.values()
    )


def _may_be_columns(plain: CutText, best: CutText) -> bool:
    """Whether lines with several addresses may also be columns, which only their owner knows.

    Not a single line, nor one that continues below, nor what is written as mail programs write it.
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


def _are_last_and_first_names(line: TableLine) -> bool:
    """Whether it is `DURAND, Camille <a@b>, MARTIN, Jean <c@d>`, cut at its commas."""
    cells = line.cells
    return all(
        place and cells[place].endswith(">") and cells[place - 1] and "@" not in cells[place - 1]
        for place in line.of_people
    )


def _cut_at_blanks(plain: CutText) -> CutText:
    """`a@b c@d` as two cells, where the line holds nothing but addresses."""
    table = Table()
    for line in plain.lines:
        words_of = line.cells[0].split()
        if len(words_of) == sum(cell.people for cell in line.found.values()):
            found = {place: read_cell(word) for place, word in enumerate(words_of)}
            table.add(TableLine(line.number, words_of, found))
        else:
            table.add(line)
    return CutText([table], plain.reported)


def _everybody(cut: CutText) -> Column:
    """All people of a list without columns, also those that a label puts in doubt.

    Lines like `Camille Durand a@b` name nobody for sure. If all are such, a person may confirm all
    of them.
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
    return Column(EVERY_ADDRESS, "", examples, len(people), _in_order([*cut.reported, *rows]), 0)


def _columns(cut: CutText) -> tuple[Column, ...]:
    """The columns with addresses; the likeliest ones if there are too many to choose from."""
    found: list[tuple[int, int, int, int]] = []
    for at, table in enumerate(cut.of_people):
        counts: Counter[int] = Counter()
        for line in table.lines:
            counts.update(line.of_people if table.people else list(line.found))
        rank = {
            place: (-fit_of(table.name(place)), -count)
            for place, count in counts.most_common(MAX_LOOKED_AT)
        }
        likely = sorted(rank, key=rank.__getitem__)[:MAX_COLUMNS]
        found += [(*rank[place], at, place) for place in likely]
    likeliest = sorted(found)[:MAX_COLUMNS]
    return tuple(
        _column(cut, cut.of_people[at], place)
        for *_, at, place in sorted(likeliest, key=lambda each: each[2:])
    )


def _column(cut: CutText, table: Table, place: int) -> Column:
    rows, examples = list(cut.reported), dict[str, None]()
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
                examples[shorten(cell.text, MAX_SHOWN)] = None
    name = shorten(table.name(place), MAX_SHOWN)
    number = table.first + place + 1
    return Column(number, name, tuple(examples), addresses, _in_order(rows), elsewhere)


def _in_order(rows: list[Row]) -> tuple[Row, ...]:
    return tuple(sorted(rows, key=lambda row: row.line))


def _without_address(line: TableLine, place: int) -> Row:
    """The row that reports a record without an address."""
    typed = line.cells[place] if place < len(line.cells) else ""
    others = (cell for cell in line.filled if "@" not in cell)
    return Row(line.number, shorten(typed or " · ".join(others), MAX_SHOWN) or "…")


def _rows_of(number: int, cell: Cell, label: str) -> Iterator[Row]:
    """The rows of a cell. `label`: words above that do not say that these are the people."""
    around = label if cell.names_people else shorten(cell.text, MAX_SHOWN)
    for piece in cell.pieces:
        if piece.kind is PieceKind.ASIDE:
            yield make_aside(number, piece.text, around or shorten(piece.text, MAX_SHOWN))
        elif cell.names_people or piece.kind is PieceKind.PERSON:
            is_person = piece.kind is PieceKind.PERSON
            yield Row(number, shorten(piece.text, MAX_CELL), aside=around if is_person else "")


def _likeliest(columns: tuple[Column, ...], cut: CutText) -> Column | None:
    """The column whose name says best that it holds the people meant.

    None if anything speaks against it: then somebody must choose.
    """
    (table, *others) = cut.of_people or cut.tables
    names = [name for name in table.names if name]
    if others or any(map(excludes, table.titles)) or (len(names) == 1 and names_others(names[0])):
        return None
    # Under a header, a column without a name may belong to its neighbour.
    unsaid = Fit.UNKNOWN if len(names) > 1 else Fit.UNSAID
    fits = [table.fit(each.number, each.name) if each.name else unsaid for each in columns]
    likely = [column for column, found in zip(columns, fits, strict=True) if found is max(fits)]
    return likely[0] if len(likely) == 1 and max(fits) not in DOUBTFUL else None


def _wanted(columns: tuple[Column, ...], wanted: str) -> Column:
    """By number, else by name, compared without capitals, accents and punctuation."""
    said = wanted.strip()
    named = [
        column for column in columns if words_of(column.name) == words_of(said) and words_of(said)
    ]
    for found in ([each for each in columns if str(each.number) == said], named):
        if len(found) == 1:
            return found[0]
    raise NoSuchColumn(wanted)
