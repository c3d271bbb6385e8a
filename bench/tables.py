"""What the bench prints: the rows with their bounds, and what else the machine did meanwhile."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from . import machine
from .rows import Row


def show_rows(console: Console, rows: Sequence[Row]) -> None:
    """A line for each row; the figures of an older checkout stand beside if there are any."""
    is_compared = any(row.before is not None for row in rows)
    then = ("before", "now to before") if is_compared else ()
    table = Table("what", "measured", *then, "must", "", box=None, pad_edge=False)
    for row in rows:
        mark = "" if not row.must else "yes" if row.is_reached else "NO"
        compared = _compared(row) if is_compared else ()
        table.add_row(row.name, f"{row.value:,.2f} {row.unit}", *compared, row.must, mark)
    console.print(table)


def show_machine(console: Console, machines: Mapping[str, Mapping[str, Any]]) -> None:
    """How long each suite took, and whether the machine was quiet meanwhile."""
    headings = ("suite", "seconds", "load before", "after", "others", "stolen", "machine")
    table = Table(*headings, box=None, pad_edge=False)
    for name, found in machines.items():
        table.add_row(
            *(name, f"{found['seconds']}", *(f"{each:.1f}" for each in found["load"])),
            *(f"{found[which]:.0%}" for which in ("others", "stolen")),
            "quiet" if machine.is_quiet(found) else "busy",
        )
    console.print(table)


def tell(console: Console, rows: Sequence[Row]) -> None:
    """Print what stands behind the figures of a suite, as soon as it has run."""
    for row in rows:
        if row.detail:
            console.print(f"{row.name}: {row.detail}", style="dim", soft_wrap=True)


def _compared(row: Row) -> tuple[str, str]:
    """The figure of before, and how many times as much it is now."""
    if row.before is None:
        return "", ""
    ratio = f"{row.value / row.before:.2f} x" if row.before else ""
    return f"{row.before:,.2f} {row.unit}", ratio
