"""A text cut into records and cells, as spreadsheets write them: a quoted cell may hold line breaks and separators.

What is not written as a spreadsheet would is read as it stands: a quotation mark that nothing closes is a
letter like others, and does not swallow the lines below it. The work is linear in the text.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

from domain_rules.cells import unguarded

BREAK = r"\r\n|[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]"
BREAKS = re.compile(BREAK)
QUOTES = re.compile('"+')
DECLARED = re.compile(r'\s*"?sep=([^\w\s"@.<>\'+-]|\t)"?[ \t]*$', re.IGNORECASE)
BLANKS = " \t"


@dataclass(frozen=True)
class Record:
    """`number` counts the records of the file from one, blank ones too: as a spreadsheet numbers its rows."""

    number: int
    cells: "list[str]"


def declared_separator(text: str) -> "tuple[str, str]":
    """What a first line `sep=;` says, and the text with that line emptied; "" if there is none."""
    ends = BREAKS.search(text)
    first = text[: ends.start()] if ends else text
    found = DECLARED.match(first)
    return (found.group(1), text[len(first) :]) if found else ("", text)


def records(text: str, separator: str) -> "Iterator[Record]":
    """Every record, in order; without a separator each has one cell."""
    if '"' in text:
        yield from _quoted_records(text, separator)
        return
    lines = BREAKS.split(text)
    for number, line in enumerate(lines if lines[-1] else lines[:-1], start=1):
        cells = line.split(separator) if separator else [line]
        yield Record(number, [_plain(cell) for cell in cells])


def _quoted_records(text: str, separator: str) -> "Iterator[Record]":
    quotes = _Quotes(text, separator)
    marks = re.compile(f'"+|{BREAK}' + (f"|{re.escape(separator)}" if separator else ""))
    number, cells, begins, is_quotable = 1, list[str](), 0, True
    mark = marks.search(text)
    while mark:
        after = mark.end()
        if mark.group().startswith('"'):
            # Only the first mark of a cell may hold it, and only with nothing before it.
            if is_quotable and not text[begins : mark.start()].strip(BLANKS):
                after = quotes.closed_at(mark.start()) or after
            is_quotable = False
        else:
            cells.append(_plain(text[begins : mark.start()]))
            begins, is_quotable = after, True
            if mark.group() != separator:
                yield Record(number, cells)
                number, cells = number + 1, []
        mark = marks.search(text, after)
    cells.append(_plain(text[begins:]))
    if cells != [""]:
        yield Record(number, cells)


def _plain(cell: str) -> str:
    """Without the quotation marks that hold the whole cell, and the apostrophe that our own files put before a sign."""
    cell = cell.strip()
    if len(cell) > 1 and cell[0] == cell[-1] == '"':
        inside = cell[1:-1].replace('""', "\0")
        if '"' not in inside:
            cell = inside.replace("\0", '"').strip()
    return unguarded(cell)


class _Quotes:
    """Where a cell ends that a quotation mark begins. Looked up once for the whole text, so that no mark costs more than another."""

    def __init__(self, text: str, separator: str) -> None:
        self._text, self._separator = text, separator
        self._runs = [found.span() for found in QUOTES.finditer(text)]
        self._places = {start: place for place, (start, _) in enumerate(self._runs)}
        self._breaks = [found.start() for found in BREAKS.finditer(text)]
        self._closing = self._find_closing()
        self._ends_cell: dict[int, bool] = {}

    def closed_at(self, opens: int) -> "int | None":
        """Behind the mark that closes what this one opens; None: it opens nothing."""
        place = self._places[opens]
        start, end = self._runs[place]
        closing = place if (end - start) % 2 == 0 else self._closing[place]
        if closing is None:
            return None
        closed = self._runs[closing][1]
        broken = bisect_left(self._breaks, opens) != bisect_left(self._breaks, closed)
        # Over several lines only what is written as a spreadsheet writes it.
        return closed if not broken or self._is_end(closed) else None

    def _find_closing(self) -> "list[int | None]":
        """For each run the next one that closes: of an odd number, since two marks stand for one."""
        found: list[int | None] = [None] * len(self._runs)
        following = None
        for place in range(len(self._runs) - 1, -1, -1):
            found[place] = following
            start, end = self._runs[place]
            if (end - start) % 2:
                following = place
        return found

    def _is_end(self, at: int) -> bool:
        if at not in self._ends_cell:
            self._ends_cell[at] = self._looks_like_end(at)
        return self._ends_cell[at]

    def _looks_like_end(self, at: int) -> bool:
        text = self._text
        while at < len(text) and text[at] in BLANKS and text[at] != self._separator:
            at += 1
        return at == len(text) or text[at] == self._separator or bool(BREAKS.match(text, at))
