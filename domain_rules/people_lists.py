"""A list of people as somebody has it: decoded, cut into rows, and the addresses found in it by what they look like."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from domain_rules.words import Word

MOST_BYTES = 1_000_000
MOST_LINES = 2_000
MOST_CELL = 400  # characters of a cell that we look at or repeat
MOST_CELLS = MOST_LINES + 1  # in a row: some lists are one long line
SAMPLE = 50  # rows looked at to find the column
SEPARATORS = ";,\t"
ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b")
OLD_OFFICE = b"\xd0\xcf\x11\xe0"
# In a zip of a spreadsheet these names stand near the beginning, uncompressed.
SHEET_MARKS = (b"xl/", b"[Content_Types].xml", b"mimetypeapplication/vnd.oasis")
BRACKETED = re.compile(r"<\s*(?:mailto:)?([^<>]*@[^<>]*)>", re.IGNORECASE)
MAILTO = re.compile(r"^mailto:([^?]*)(?:\?.*)?$", re.IGNORECASE)
# Decides what is looked at, not what is an address: that is for `addresses.py`.
LIKE_AN_ADDRESS = re.compile(r"[^\s@<>\"]@[^\s@<>\"]")


class Fault(Word):
    """Why nothing can be made of a file."""

    EMPTY = "empty"
    TOO_BIG = "too_big"
    TOO_LONG = "too_long"
    SPREADSHEET = "spreadsheet"
    ARCHIVE = "archive"
    BINARY = "binary"
    NO_ADDRESS = "no_address"


class Unreadable(ValueError):
    """Nothing can be made of this file."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.value)
        self.fault = fault


@dataclass(frozen=True)
class Row:
    """One person as the list names them. `line` counts from one, blank lines too. `is_kept`: confirmed as typed."""

    line: int
    text: str
    is_kept: bool = False


def read(raw: bytes) -> list[Row]:
    """The rows of a file or of a pasted text. Raises Unreadable."""
    text = decode(raw)
    lines = text.splitlines()
    if sum(1 for line in lines if line.strip()) > MOST_LINES:
        raise Unreadable(Fault.TOO_LONG)
    rows = list(_rows(_records(lines)))
    if len(rows) > MOST_LINES:
        raise Unreadable(Fault.TOO_LONG)
    if not any(LIKE_AN_ADDRESS.search(row.text) for row in rows):
        raise Unreadable(Fault.NO_ADDRESS)
    return rows


def decode(raw: bytes) -> str:
    """UTF-8 or UTF-16 as the file says or shows, else Windows-1252. Raises Unreadable."""
    if len(raw) > MOST_BYTES:
        raise Unreadable(Fault.TOO_BIG)
    if raw.startswith(OLD_OFFICE):
        raise Unreadable(Fault.SPREADSHEET)
    if raw.startswith(ZIP):
        is_sheet = any(mark in raw[:4096] for mark in SHEET_MARKS)
        raise Unreadable(Fault.SPREADSHEET if is_sheet else Fault.ARCHIVE)
    text = _decoded(raw)
    if "\0" in text:
        raise Unreadable(Fault.BINARY)
    if not text.strip():
        raise Unreadable(Fault.EMPTY)
    return text


def _decoded(raw: bytes) -> str:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16", errors="replace")
    if half := _silent_half(raw):
        return raw.decode(half, errors="replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Five bytes of Windows-1252 stand for nothing: such a line is not lost for them.
        return raw.decode("cp1252", errors="replace")


def _silent_half(raw: bytes) -> "str | None":
    """UTF-16 without a mark: every other byte of western text is zero."""
    sample = raw[:400]
    if len(sample) < len("a@") * 2 or len(raw) % 2:
        return None
    evens, odds = sample[0::2].count(0), sample[1::2].count(0)
    most = len(sample) // 2 * 8 // 10
    if odds >= most and evens == 0:
        return "utf-16-le"
    return "utf-16-be" if evens >= most and odds == 0 else None


@dataclass(frozen=True)
class _Record:
    line: int
    cells: "list[str]"


def _records(lines: "list[str]") -> "list[_Record]":
    """Lines that say something, cut at the separator of the whole file."""
    kept = [
        (number, line)
        for number, line in enumerate(lines, start=1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    separator = _separator([line for _, line in kept])
    return [_Record(number, cells(line, separator)) for number, line in kept]


def _separator(lines: "list[str]") -> str:
    """The one most lines have; a semicolon wins, since a comma may stand inside names and numbers."""
    sample = lines[:SAMPLE]
    counts = {each: sum(each in _unquoted(line) for line in sample) for each in SEPARATORS}
    best = max(counts.values(), default=0)
    return next((each for each in SEPARATORS if counts[each] == best and best), "")


def _unquoted(line: str) -> str:
    return re.sub(r'"[^"]*"', "", line)


def cells(line: str, separator: str) -> "list[str]":
    """A line cut at the separator, quotation marks as spreadsheets write them."""
    found: list[str] = []
    cell, is_quoted, at = "", False, 0
    while at < len(line) and len(found) < MOST_CELLS:
        letter = line[at]
        if letter == '"' and is_quoted and line[at + 1 : at + 2] == '"':
            cell += letter
            at += 1
        elif letter == '"':
            is_quoted = not is_quoted
        elif letter == separator and not is_quoted:
            found.append(cell.strip()[:MOST_CELL])
            cell = ""
        else:
            cell += letter
        at += 1
    return [*found, cell.strip()[:MOST_CELL]]


def _rows(records: "list[_Record]") -> Iterator[Row]:
    if not records:
        return
    column = _column(records)
    for place, record in enumerate(records):
        named = [cell for cell in record.cells if LIKE_AN_ADDRESS.search(cell)]
        if _is_line_of_people(record, named):
            for cell in record.cells:
                if cell:
                    yield Row(record.line, plain(cell))
            continue
        cell = record.cells[column] if column < len(record.cells) else ""
        if not LIKE_AN_ADDRESS.search(cell) and len(named) == 1:
            cell = named[0]
        if place == 0 and not named and _is_header(records):
            continue
        # A row without an address is a row that is told so; one that says nothing at all is none.
        text = cell or next((each for each in record.cells if each), "")
        if text:
            yield Row(record.line, plain(text))


def _column(records: "list[_Record]") -> int:
    """Where most addresses stand."""
    counts: dict[int, int] = {}
    for record in records[: SAMPLE * 4]:
        for place, cell in enumerate(record.cells):
            if LIKE_AN_ADDRESS.search(cell):
                counts[place] = counts.get(place, 0) + 1
    return min(counts, key=lambda place: (-counts[place], place)) if counts else 0


def _is_line_of_people(record: _Record, named: "list[str]") -> bool:
    """`a@b; c@d; e@f`, as mail programs hand it out: more addresses than anything else."""
    return len(named) > 1 and len(named) * 2 > sum(bool(cell) for cell in record.cells)


def _is_header(records: "list[_Record]") -> bool:
    follows = records[1:2]
    return bool(follows) and any(LIKE_AN_ADDRESS.search(cell) for cell in follows[0].cells)


def plain(cell: str) -> str:
    """The address in `Nom Prénom <a@b>` or `mailto:a@b?subject=…`; everything else as it is."""
    if bracketed := BRACKETED.search(cell):
        return bracketed.group(1).strip()
    if mailto := MAILTO.match(cell.strip()):
        return mailto.group(1).strip()
    return cell.strip().strip("'\"").strip()
