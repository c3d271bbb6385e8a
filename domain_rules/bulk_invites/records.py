"""A text cut into records and cells, as spreadsheets write them: a quoted cell may hold line breaks and separators.

What is not written as a spreadsheet would is read as it stands: a quotation mark that nothing closes is a
letter like others, and does not swallow the lines below it. The work is linear in the text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from domain_rules.spreadsheet_cells import unguarded

ENDS = r"\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029"
BREAK = rf"\r\n|[{ENDS}]"
BREAKS = re.compile(BREAK)
DECLARED = re.compile(r'\s*"?sep=([^\w\s"@.<>\'+-]|\t)"?[ \t]*$', re.IGNORECASE)
MAX_CELLS = 1_000  # of one record: no table is so wide


@dataclass(frozen=True)
class Record:
    """`number` counts the records of the file from one, blank ones too: as a spreadsheet numbers its rows."""

    number: int
    cells: "list[str]"


class TooWide(ValueError):
    """A record of more than MOST_CELLS cells."""


def declared_separator(text: str) -> "tuple[str, str]":
    """What a first line `sep=;` says, and the text with that line emptied; "" if there is none."""
    ends = BREAKS.search(text)
    first = text[: ends.start()] if ends else text
    found = DECLARED.match(first)
    return (found.group(1), text[len(first) :]) if found else ("", text)


def records(text: str, separator: str) -> "Iterator[Record]":
    """Every record, in order; without a separator each has one cell. Raises TooWide."""
    at = number = 0
    while at < len(text):
        number += 1
        ends = BREAKS.search(text, at)
        line = text[at : ends.start() if ends else len(text)]
        if '"' in line:
            cells, at = _quoted_cells(text, separator, at)
        else:
            if separator and line.count(separator) >= MAX_CELLS:
                raise TooWide
            cells, at = line.split(separator) if separator else [line], _behind(text, ends)
        yield Record(number, [_plain(cell) if cell else "" for cell in cells])


def _behind(text: str, ends: "re.Match[str] | None") -> int:
    return ends.end() if ends else len(text)


def _quoted_cells(text: str, separator: str, begins: int) -> "tuple[list[str], int]":
    """The cells of the record that begins here, and where the next one does."""
    cells = []
    for cell in _cell(separator).finditer(text, begins):
        cells.append(cell.group(1))
        if len(cells) > MAX_CELLS:
            raise TooWide
        if cell.group(2) != separator or not separator:
            return cells, cell.end()
    return cells, len(text)


@lru_cache(maxsize=16)
def _cell(separator: str) -> "re.Pattern[str]":
    """A cell and what ends it.

    Only the first mark of a cell may hold it, and only with nothing before it; two marks stand for one. Over several
    lines a cell ends where it is closed, as a spreadsheet writes it. From an opening mark no further than to the
    next single one is looked, so that no mark costs more than another.
    """
    sign = re.escape(separator)
    blanks = " *" if separator == "\t" else r"[ \t]*"
    rest = f"[^{sign}{ENDS}]*"
    in_line = rf'{blanks}"[^"{ENDS}]*(?:""[^"{ENDS}]*)*"(?!"){rest}'
    over_lines = rf'{blanks}"[^"]*(?:""[^"]*)*"(?!"){blanks}(?=[{sign}{ENDS}]|\Z)'
    return re.compile(rf"({in_line}|{over_lines}|{rest})({BREAK}|[{sign}{ENDS}]|\Z)")


def _plain(cell: str) -> str:
    """Without the quotation marks that hold the whole cell, and the apostrophe that our own files put before a sign."""
    cell = cell.strip()
    if len(cell) > 1 and cell[0] == cell[-1] == '"':
        inside = cell[1:-1].replace('""', "\0")
        if '"' not in inside:
            cell = inside.replace("\0", '"').strip()
    return unguarded(cell)
