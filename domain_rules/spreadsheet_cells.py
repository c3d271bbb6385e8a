"""Writes CSV that is safe to open in a spreadsheet: no cell becomes a formula."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass, field

# The full-width forms too: spreadsheets in East Asia treat them alike.
FORMULA = ("=", "+", "-", "'", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
GUARD = "'"


def guard_cell(cell: str) -> str:
    """The cell, with an apostrophe before it if a spreadsheet would not read it as plain text."""
    return f"{GUARD}{cell}" if cell.startswith(FORMULA) else cell


def unguard_cell(cell: str) -> str:
    """The reverse of `guard_cell`: reading our own file gives the same cells."""
    is_guarded = cell.startswith(GUARD) and cell[1:].startswith(FORMULA)
    return cell[1:] if is_guarded else cell


def write_table(rows: Iterable[Iterable[str]], *, delimiter: str = ",") -> str:
    """The rows as CSV, every cell guarded; lines end in CR LF (RFC 4180)."""
    written = _Written()
    writer = csv.writer(written, delimiter=delimiter, lineterminator="\r\n")
    for row in rows:
        writer.writerow([guard_cell(cell) for cell in row])
    return "".join(written.parts)


@dataclass
class _Written:
    """Collects what the csv module writes."""

    parts: list[str] = field(default_factory=list)

    def write(self, part: str, /) -> None:
        self.parts.append(part)
