"""A text becomes tables: a header begins one, and a text alone above addresses says whose they are."""

from .doubts import answer_against, begins_with_others, begins_with_role, crosses_by, says_yes
from .files import MAX_LINES
from .headers import is_all_header, is_header, names_others, names_people, status_against, words
from .records import Record, TooWide, records
from .tables import MAX_TOLD, TITLES, Cut, Line, Table, rows_of_line, shown, told_header

MAX_LOOKED_AT = 50  # cells of a record that may say something about the person
MINUS = "-\u2010\u2011\u2012\u2013\u2014\u2212"
MAX_RECORDS = 10 * MAX_LINES  # blank ones too


def cut(text: str, separator: str, most: int = MAX_RECORDS) -> Cut:
    """The text as this separator cuts it, or its beginning: as far as the record `most` with an address."""
    cutter = _Cutter()
    try:
        for record in records(text, separator):
            cutter.take(record)
            is_long = cutter.lines > MAX_LINES or len(cutter.cut.told) > MAX_LINES
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
        self.cut = Cut()
        self.lines = self.with_addresses = 0
        self._is_after_blank = self._is_after_title = False
        self._label = ""  # the words above that do not say that these are the people
        self._behind_comma = ""  # the same of a line that goes on below

    def take(self, record: Record) -> None:
        if not any(record.cells):
            self._is_after_blank = True
            return
        line = Line.of(record)
        if self._begins_table(line):
            self._take_header(line)
        elif record.cells[0].startswith("#"):
            self.cut.told += rows_of_line(line)
        else:
            self._add(line)
        # What stands alone behind it is a title of what follows.
        self._is_after_title = not (line.found or line.filled[1:])
        self._is_after_blank &= self._is_after_title

    def end(self) -> Cut:
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

    def _begins_table(self, line: Line) -> bool:
        """Above the people, the one with most names. Below, only what can hardly be a person without an address."""
        table = self._table
        if line.of_people or any(cell.is_labelled for cell in line.found.values()):
            return False
        if not table.people:
            return len(table.lines) < TITLES and _is_better_header(line, table.names)
        if line.found or not line.filled[1:]:
            return False
        is_near_top = not table.names and len(table.lines) < TITLES
        is_expected = self._is_after_blank or self._is_after_title or is_near_top
        return is_header(line.cells) if is_expected else is_all_header(line.cells)

    def _take_header(self, line: Line) -> None:
        names = line.cells
        if self._table.people and self._table.names:
            if [words(each) for each in names] == [words(each) for each in self._table.names]:
                return  # the same header again, at the top of another page
            self.cut.tables.append(Table(names))
        else:
            self._begin(line)
        self._label = ""
        self.cut.told += told_header(line)

    def _begin(self, line: Line) -> None:
        """What stands above the first header is a title, and none of it is a person."""
        table = self._table
        above = table.lines[-1].cells if table.lines else table.names
        titles = [" ".join(each.filled) for each in table.lines if not each.found]
        for each in table.lines:
            self.cut.told += rows_of_line(each)
        is_above = not self._is_after_blank and not any("@" in cell for cell in above)
        names = _below(above, line.cells) if is_above else line.cells
        self.cut.tables[-1] = Table(names, [*table.titles, " ".join(table.names), *titles])

    def _add(self, line: Line) -> None:
        self.lines += 1
        self.with_addresses += bool(line.found)
        if not line.found:
            self._take_label(line)
        line.label = self._label or self._behind_comma or self._against(line)
        self._behind_comma = _behind_comma(line) or (self._behind_comma if _goes_on(line) else "")
        self._table.add(line)

    def _against(self, line: Line) -> str:
        """What the record itself says against its address."""
        names = self._table.names
        return (
            status_against(line.filled[:MAX_LOOKED_AT])
            or answer_against(names, line.cells, self._table.asked)
            or (line.found and begins_with_others(names, line.cells, is_apart=self._is_after_blank))
            or ""
        )

    def _take_label(self, line: Line) -> None:
        """A text that stands alone between people, behind a blank record, with a colon, or with words for others."""
        said = " ".join(line.filled)
        table = self._table
        is_name = not (table.people or table.names or line.cells[1:])  # of all that stands below
        if is_name or not any(map(str.isalpha, said)) or _is_typed(said):
            return
        if names_people(said):
            self._label = ""
        elif not line.filled[1:] and (
            self._is_after_blank or said.endswith(":") or names_others(said)
        ):
            self._label = shown(said, MAX_TOLD)


def _take_crosses(table: Table) -> None:
    """Where those to invite are marked with a cross, nobody knows of the others."""
    for place in crosses_by(table.names):
        cells = [line.cells[place] if place < len(line.cells) else "" for line in table.lines]
        if any(map(says_yes, cells)):
            for line, cell in zip(table.lines, cells, strict=True):
                line.label = line.label or ("" if cell else f"{table.names[place]} : …")


def _take_signs(table: Table) -> None:
    """Where people are to be added, `+ a@b`, those of `- c@d` are to be taken off."""
    signs = [line.cells[0][:1] for line in table.lines]
    if "+" in signs:
        for line, sign in zip(table.lines, signs, strict=True):
            if sign in MINUS and sign:
                line.label = line.label or shown(line.cells[0], MAX_TOLD)


def _take_roles(table: Table) -> None:
    """Where no header says what stands first, `Responsable;a@b` among others is somebody else."""
    of_people = [] if table.names else [line for line in table.lines if line.of_people]
    roles = [line for line in of_people if begins_with_role(line.cells)]
    if len(roles) < len(of_people):
        for line in roles:
            line.label = line.label or shown(line.filled[0], MAX_TOLD)


def _is_better_header(line: Line, header: "list[str]") -> bool:
    """A title or a comment may have a header's words too; the names of columns are several."""
    least = max(sum(map(bool, header)), int(line.cells[0].startswith("#")))
    return len(line.filled) > least and is_header(line.cells)


def _below(above: "list[str]", names: "list[str]") -> "list[str]":
    """`Responsable` over two columns, in a merged cell, belongs to the names of both."""
    is_merged = len(above) >= len(names) and "" in above and sum(map(bool, above)) > 1
    if not is_merged or any(cell.endswith(":") for cell in above):
        return names
    spread, last = [], ""
    for place in range(len(names)):
        last = (above[place] if place < len(above) else "") or last
        spread.append(last)
    return [f"{over} {name}".strip() for over, name in zip(spread, names, strict=True)]


def _is_typed(said: str) -> bool:
    """An address without its sign, or with another one: `ana.a.example`."""
    return " " not in said and bool({".", "\uff20", "\ufe6b"}.intersection(said[:-1]))


def _goes_on(line: Line) -> bool:
    return line.filled[-1].endswith(",")


def _behind_comma(line: Line) -> str:
    """The text of a line that names nobody and goes on below: `Absents: a@b,`."""
    is_told = bool(line.found) and not line.of_people
    return shown(line.filled[0], MAX_TOLD) if is_told and _goes_on(line) else ""
