"""Cuts a text into records and cells as spreadsheets write them (CSV with quoted cells).

What is not written as a spreadsheet would is read as it stands: a quotation mark that is never
closed is a letter like others and does not swallow the lines below it. The time is linear in the
length of the text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from domain_rules.spreadsheet_cells import unguard_cell

ENDS = r"\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029"
BREAK = rf"\r\n|[{ENDS}]"
BREAKS = re.compile(BREAK)
DECLARED = re.compile(r'\s*"?sep=([^\w\s"@.<>\'+-]|\t)"?[ \t]*$', re.IGNORECASE)
MAX_CELLS = 1_000  # of one record


@dataclass(frozen=True)
class Record:
    """`number` counts records from one, blank ones too, as a spreadsheet numbers its rows."""

    number: int
    cells: list[str]


class TooWide(ValueError):
    """A record has more than MAX_CELLS cells."""


def declared_separator(text: str) -> tuple[str, str]:
    """The separator of a first line `sep=;`, or "", and the text with that line emptied."""
    ends = BREAKS.search(text)
    first = text[: ends.start()] if ends else text
    found = DECLARED.match(first)
    return (found.group(1), text[len(first) :]) if found else ("", text)


def read_records(text: str, separator: str) -> Iterator[Record]:
    """Every record in order; without a separator each has one cell. Raises TooWide."""
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


def _behind(text: str, ends: re.Match[str] | None) -> int:
    return ends.end() if ends else len(text)


def _quoted_cells(text: str, separator: str, begins: int) -> tuple[list[str], int]:
    """The cells of the record that begins here, and the position of the next record."""
    cells = []
    for cell in _cell(separator).finditer(text, begins):
        cells.append(cell.group(1))
        if len(cells) > MAX_CELLS:
            raise TooWide
        if cell.group(2) != separator or not separator:
            return cells, cell.end()
    return cells, len(text)


@lru_cache(maxsize=16)
def _cell(separator: str) -> re.Pattern[str]:
    """A pattern for a cell and what ends it.

    Only the first quotation mark of a cell may open it, with nothing before it; two marks stand for
    one. A cell over several lines ends where it is closed, as spreadsheets write it. The pattern
    never looks further than to the next single mark, so that the time stays linear.
    """
    sign = re.escape(separator)
    blanks = " *" if separator == "\t" else r"[ \t]*"
    rest = f"[^{sign}{ENDS}]*"
    in_line = rf'{blanks}"[^"{ENDS}]*(?:""[^"{ENDS}]*)*"(?!"){rest}'
    over_lines = rf'{blanks}"[^"]*(?:""[^"]*)*"(?!"){blanks}(?=[{sign}{ENDS}]|\Z)'
    return re.compile(rf"({in_line}|{over_lines}|{rest})({BREAK}|[{sign}{ENDS}]|\Z)")


def _plain(cell: str) -> str:
    """The cell without the quotation marks around it and the apostrophe of `guard_cell`."""
    cell = cell.strip()
    if len(cell) > 1 and cell[0] == cell[-1] == '"':
        inside = cell[1:-1].replace('""', "\0")
        if '"' not in inside:
            cell = inside.replace("\0", '"').strip()
    return unguard_cell(cell)
