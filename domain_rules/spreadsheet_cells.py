"""CSV that a spreadsheet opens: no cell of it is a formula. One guard for everything we give out."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass, field

# The wide forms too: spreadsheets of East Asia take them for the same.
FORMULA = ("=", "+", "-", "'", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
GUARD = "'"


def guarded(cell: str) -> str:
    """The cell with an apostrophe before it where a spreadsheet would take it for more than a text."""
    return f"{GUARD}{cell}" if cell.startswith(FORMULA) else cell


def unguarded(cell: str) -> str:
    """What `guarded` was given: a file of ours, read again, says the same."""
    is_guarded = cell.startswith(GUARD) and cell[1:].startswith(FORMULA)
    return cell[1:] if is_guarded else cell


def write_table(rows: Iterable[Iterable[str]], *, delimiter: str = ",") -> str:
    """The rows as CSV, every cell guarded. Lines end in CR LF, so what holds either stands in quotes."""
    written = _Written()
    writer = csv.writer(written, delimiter=delimiter, lineterminator="\r\n")
    for row in rows:
        writer.writerow([guarded(cell) for cell in row])
    return "".join(written.parts)


@dataclass
class _Written:
    """What csv writes to."""

    parts: "list[str]" = field(default_factory=list)

    def write(self, part: str, /) -> None:
        self.parts.append(part)
