"""`record_fault`: what a test of a fault measured. `make faults` prints the rows as one table, and writes them down."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from identity.core.clock import utc_now

COLUMNS = ("fault", "tried", "survived", "lost", "doubled", "seconds until well", "said meanwhile")
PROPERTY = "fault"
WRITTEN = Path(__file__).parents[2] / "artefacts/faults.md"
NOT_MEASURED = "–"

RecordFault = Callable[..., None]


@pytest.fixture
def record_fault(record_property) -> RecordFault:
    """Called with the name of the fault and its figures. Rows of one name become one.

    `tried`: mails, people, requests or calls that met it. `doubled`: mails that came twice; the
    test asserts that each is marked. `seconds`: from the fault's end until all was well again, or
    how long the longest answer took; None: nothing had to become well. `said`: what /readyz,
    /metrics or the log said meanwhile.
    """

    def record(
        name: str,
        *,
        tried: int,
        survived: int,
        said: str,
        seconds: float | None = None,
        doubled: int = 0,
    ) -> None:
        assert survived <= tried
        lost = tried - survived
        record_property(PROPERTY, [name, tried, survived, lost, doubled, seconds, said])

    return record


def merged(rows: Iterable[list]) -> list[list]:
    """One row a fault: figures added up, the longest time, and what was said last."""
    found: dict[str, list] = {}
    for name, *figures, seconds, said in rows:
        before = found.get(name, [name, 0, 0, 0, 0, None, ""])
        added = [old + new for old, new in zip(before[1:5], figures, strict=True)]
        times = [each for each in (before[5], seconds) if each is not None]
        found[name] = [name, *added, max(times, default=None), said]
    return [found[name] for name in sorted(found, key=str.casefold)]


def lines(rows: list[list]) -> list[str]:
    """The rows as a table that is readable here and in Markdown: figures to the right."""
    texts = [
        [name, *map(str, figures), NOT_MEASURED if seconds is None else f"{seconds:.1f}", said]
        for name, *figures, seconds, said in rows
    ]
    names, *headings, last = COLUMNS
    width = max(len(row[0]) for row in [*texts, [names]])
    table = [
        " | ".join(
            (
                name.ljust(width),
                *(text.rjust(len(head)) for text, head in zip(middle, headings, strict=True)),
                said,
            )
        )
        for name, *middle, said in [[names, *headings, last], *texts]
    ]
    rule = " | ".join(("-" * width, *("-" * (len(head) - 1) + ":" for head in headings), "---"))
    return [f"| {line} |" for line in (table[0], rule, *table[1:])]


def machine() -> str:
    load = ", ".join(f"{each:.0f}" for each in os.getloadavg())
    return f"{os.cpu_count()} cores; load over 1, 5 and 15 minutes at the end: {load}"


def pytest_terminal_summary(terminalreporter, config) -> None:
    if "faults" not in config.option.markexpr:
        return
    rows = merged(
        value
        for report in terminalreporter.getreports("passed")
        for name, value in report.user_properties
        if name == PROPERTY
    )
    if not rows:
        return
    tried, _survived, lost, doubled = (sum(row[column] for row in rows) for column in range(1, 5))
    told = [
        f"{utc_now():%Y-%m-%d %H:%M} UTC; {machine()}",
        f"{len(rows)} faults, {tried} tries: {lost} lost, {doubled} doubled and marked so",
    ]
    terminalreporter.section("faults")
    for line in (*lines(rows), "", *told):
        terminalreporter.write_line(line)
    WRITTEN.parent.mkdir(exist_ok=True)
    WRITTEN.write_text("\n".join((*told, "", *lines(rows), "")), encoding="utf-8")
    terminalreporter.write_line("Written to artefacts/faults.md")
