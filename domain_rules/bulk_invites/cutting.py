"""Cuts a text into tables: a header begins a table, a line of text may label the rows below it."""

from .doubts import (
    begins_with_role,
    find_cross_columns,
    find_negative_answer,
    find_other_role,
    says_yes,
)
from .files import MAX_LINES
from .headers import (
    find_excluding_status,
    is_all_header,
    is_header,
    names_others,
    names_people,
    words_of,
)
from .records import Record, TooWide, read_records
from .tables import (
    MAX_SHOWN,
    MAX_TITLES,
    CutText,
    Table,
    TableLine,
    rows_of_header,
    rows_of_line,
    shorten,
)

MAX_LOOKED_AT = 50  # cells of a record that are searched for a status
MINUS = "-\u2010\u2011\u2012\u2013\u2014\u2212"
MAX_RECORDS = 10 * MAX_LINES  # blank ones too


def cut_tables(text: str, separator: str, most: int = MAX_RECORDS) -> CutText:
    """The text cut by this separator.

    `most`: stop at this many records with an address, to judge a separator by the beginning of the
    text.
    """
    cutter = _Cutter()
    try:
        for record in read_records(text, separator):
            cutter.take(record)
            is_long = cutter.lines > MAX_LINES or len(cutter.cut.reported) > MAX_LINES
            if is_long or record.number > MAX_RECORDS:
                cutter.cut.is_over = True
                break
            if cutter.with_addresses >= most:
                break
    except TooWide:
        cutter.cut.is_wide = True
    return cutter.end()


class _Cutter:
    def __init__(self) -> None:
        self.cut = CutText()
        self.lines = self.with_addresses = 0
        self._is_after_blank = self._is_after_title = False
        self._label = ""  # words above that do not say that these are the people
        self._behind_comma = ""  # the same, of a line that continues below

    def take(self, record: Record) -> None:
        if not any(record.cells):
            self._is_after_blank = True
            return
        line = TableLine.from_record(record)
        if self._begins_table(line):
            self._take_header(line)
        elif record.cells[0].startswith("#"):
            self.cut.reported += rows_of_line(line)
        else:
            self._add(line)
        # A text that stands alone is a title of what follows.
        self._is_after_title = not (line.found or line.filled[1:])
        self._is_after_blank &= self._is_after_title

    def end(self) -> CutText:
        first = 0
        for table in self.cut.tables:
            _take_crosses(table)
            _take_signs(table)
            _take_roles(table)
            table.first = first
            first += max([len(table.names), *(len(line.cells) for line in table.lines)])
        return self.cut

    @property
    def _table(self) -> Table:
        return self.cut.tables[-1]

    def _begins_table(self, line: TableLine) -> bool:
        """Whether this record is the header of a table.

        Above the first person it is the record with most column names. Below, only a record that is
        very unlikely to be a person without an address.
        """
        table = self._table
        if line.of_people or any(cell.is_labelled for cell in line.found.values()):
            return False
        if not table.people:
            return len(table.lines) < MAX_TITLES and _is_better_header(line, table.names)
        if line.found or not line.filled[1:]:
            return False
        is_near_top = not table.names and len(table.lines) < MAX_TITLES
        is_expected = self._is_after_blank or self._is_after_title or is_near_top
        return is_header(line.cells) if is_expected else is_all_header(line.cells)

    def _take_header(self, line: TableLine) -> None:
        names = line.cells
        if self._table.people and self._table.names:
            if [words_of(each) for each in names] == [words_of(each) for each in self._table.names]:
                return  # the same header again, at the top of another page
            self.cut.tables.append(Table(names))
        else:
            self._begin(line)
        self._label = ""
        self.cut.reported += rows_of_header(line)

    def _begin(self, line: TableLine) -> None:
        """What stands above the first header is a title: none of it is a person."""
        table = self._table
        above = table.lines[-1].cells if table.lines else table.names
        titles = [" ".join(each.filled) for each in table.lines if not each.found]
        for each in table.lines:
            self.cut.reported += rows_of_line(each)
        is_above = not self._is_after_blank and not any("@" in cell for cell in above)
        names = _below(above, line.cells) if is_above else line.cells
        self.cut.tables[-1] = Table(names, [*table.titles, " ".join(table.names), *titles])

    def _add(self, line: TableLine) -> None:
        self.lines += 1
        self.with_addresses += bool(line.found)
        if not line.found:
            self._take_label(line)
        line.label = self._label or self._behind_comma or self._against(line)
        self._behind_comma = _behind_comma(line) or (self._behind_comma if _goes_on(line) else "")
        self._table.add(line)

    def _against(self, line: TableLine) -> str:
        """What the record itself says against its address; an empty text if nothing."""
        names = self._table.names
        return (
            find_excluding_status(line.filled[:MAX_LOOKED_AT])
            or find_negative_answer(names, line.cells, self._table.asked)
            or (line.found and find_other_role(names, line.cells, is_apart=self._is_after_blank))
            or ""
        )

    def _take_label(self, line: TableLine) -> None:
        """Remember a text that labels the rows below it.

        It stands alone between people: behind a blank record, with a colon, or with words for other
        people.
        """
        said = " ".join(line.filled)
        table = self._table
        is_name = not (table.people or table.names or line.cells[1:])  # the list's own title
        if is_name or not any(map(str.isalpha, said)) or _is_typed(said):
            return
        if names_people(said):
            self._label = ""
        elif not line.filled[1:] and (
            self._is_after_blank or said.endswith(":") or names_others(said)
        ):
            self._label = shorten(said, MAX_SHOWN)


def _take_crosses(table: Table) -> None:
    """Where those to invite are marked with a cross, the others are in doubt."""
    for place in find_cross_columns(table.names):
        cells = [line.cells[place] if place < len(line.cells) else "" for line in table.lines]
        if any(map(says_yes, cells)):
            for line, cell in zip(table.lines, cells, strict=True):
                line.label = line.label or ("" if cell else f"{table.names[place]} : …")


def _take_signs(table: Table) -> None:
    """Where some lines begin with `+`, those that begin with `-` are to be removed."""
    signs = [line.cells[0][:1] for line in table.lines]
    if "+" in signs:
        for line, sign in zip(table.lines, signs, strict=True):
            if sign in MINUS and sign:
                line.label = line.label or shorten(line.cells[0], MAX_SHOWN)


def _take_roles(table: Table) -> None:
    """Without a header, `Responsable;a@b` among other rows is somebody else."""
    of_people = [] if table.names else [line for line in table.lines if line.of_people]
    roles = [line for line in of_people if begins_with_role(line.cells)]
    if len(roles) < len(of_people):
        for line in roles:
            line.label = line.label or shorten(line.filled[0], MAX_SHOWN)


def _is_better_header(line: TableLine, header: list[str]) -> bool:
    """Whether it names more columns: titles and comments contain such words too."""
    least = max(sum(map(bool, header)), int(line.cells[0].startswith("#")))
    return len(line.filled) > least and is_header(line.cells)


def _below(above: list[str], names: list[str]) -> list[str]:
    """Column names with the words of a merged cell above them: `Responsable` over two columns."""
    is_merged = len(above) >= len(names) and "" in above and sum(map(bool, above)) > 1
    if not is_merged or any(cell.endswith(":") for cell in above):
        return names
    spread, last = [], ""
    for place in range(len(names)):
        last = (above[place] if place < len(above) else "") or last
        spread.append(last)
    return [f"{over} {name}".strip() for over, name in zip(spread, names, strict=True)]


def _is_typed(said: str) -> bool:
    """Whether it is an address without its @, or with a look-alike: `ana.a.example`."""
    return " " not in said and bool({".", "\uff20", "\ufe6b"}.intersection(said[:-1]))


def _goes_on(line: TableLine) -> bool:
    return line.filled[-1].endswith(",")


def _behind_comma(line: TableLine) -> str:
    """The text of a line that names nobody and continues below: `Absents: a@b,`."""
    is_told = bool(line.found) and not line.of_people
    return shorten(line.filled[0], MAX_SHOWN) if is_told and _goes_on(line) else ""
