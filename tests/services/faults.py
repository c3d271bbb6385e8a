"""`record_fault`: what a test of a fault measured. `make faults` prints the rows as one table."""

from collections.abc import Callable

import pytest

COLUMNS = ("tried", "survived", "lost", "doubled", "seconds", "said")
PROPERTY = "fault"

RecordFault = Callable[..., None]


@pytest.fixture
def record_fault(record_property) -> RecordFault:
    """Called with the name of the fault and its figures.

    `seconds`: from the fault's end until all was well again, or how long the longest answer took.
    `said`: what /readyz, /metrics or the log said meanwhile.
    """

    def record(
        name: str, *, tried: int, survived: int, seconds: float, said: str, **ends: int
    ) -> None:
        row = {"lost": 0, "doubled": 0, "tried": tried, "survived": survived, "said": said, **ends}
        record_property(
            PROPERTY, [name, *(str({**row, "seconds": f"{seconds:.1f}"}[each]) for each in COLUMNS)]
        )

    return record


def pytest_terminal_summary(terminalreporter, config) -> None:
    if "faults" not in config.option.markexpr:
        return
    rows = [
        value
        for report in terminalreporter.getreports("passed")
        for name, value in report.user_properties
        if name == PROPERTY
    ]
    table = [["fault", *COLUMNS], *sorted(rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    terminalreporter.section("faults")
    for row in table:
        terminalreporter.write_line("  ".join(map(str.ljust, row, widths)).rstrip())
