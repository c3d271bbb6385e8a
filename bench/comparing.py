"""Rows of loads that were measured in turn, with the figures of an older checkout if one is beside."""

from collections.abc import Callable, Iterator, Mapping

from .load import Measured
from .rows import GROWTH, Row


def figures(what: str, measured: Mapping[str, Measured]) -> Iterator[Row]:
    """A row for each: the processor time of an answer, with everything else beside."""
    for name, each in measured.items():
        before = _cpu(each.before) if each.before else None
        yield Row(f"{what}, {name}", _cpu(each), "ms CPU", detail=str(each), before=before)


def rate_to(name: str, ours: Measured, theirs: Measured, *, at_least: float | None = None) -> Row:
    """How many times as much the one answers in a second as the other."""
    told = f"{ours.rate:,.0f}/s to {theirs.rate:,.0f}/s; by processor time {_effort(theirs, ours):.2f} x"
    value, before = _then_and_now(_rates, ours, theirs)
    return Row(name, value, "x", at_least=at_least, detail=told, before=before)


def cpu_to(name: str, theirs: Measured, ours: Measured, *, at_least: float) -> Row:
    """How many times as much processor time the one needs for an answer as the other."""
    told = f"{_cpu(theirs):.2f} ms to {_cpu(ours):.2f} ms"
    value, before = _then_and_now(_effort, theirs, ours)
    return Row(name, value, "x", at_least=at_least, detail=told, before=before)


def time_to(name: str, ours: Measured, theirs: Measured, *, at_most: float) -> Row:
    """How many times as long the one takes as the other, with the same number of connections."""
    told = f"{ours.rate:,.0f}/s to {theirs.rate:,.0f}/s; by processor time {_effort(ours, theirs):.2f} x"
    value, before = _then_and_now(_rates, theirs, ours)
    return Row(name, value, "x", at_most=at_most, detail=told, before=before)


def growth(name: str, many: Measured, few: Measured) -> Row:
    """How many times as much processor time an answer takes beside ten times as many rows.

    Not elapsed time: what else the machine does shall not look like growth.
    """
    told = f"{_cpu(few):.2f} ms to {_cpu(many):.2f} ms; {few.rate:,.0f}/s to {many.rate:,.0f}/s"
    value, before = _then_and_now(_effort, many, few)
    return Row(name, value, "x", at_most=GROWTH, detail=told, before=before)


def late_to_median(name: str, measured: Measured, *, at_most: float) -> Row:
    """How many times the median the 99th centile is."""
    value, before = _then_and_now(lambda one, _: one.p99_ms / one.median_ms, measured, measured)
    return Row(name, value, "x", at_most=at_most, detail=str(measured), before=before)


def _then_and_now(
    ratio: Callable[[Measured, Measured], float], one: Measured, other: Measured
) -> tuple[float, float | None]:
    """The ratio, and that of the older checkout, where one of the two is ours."""
    is_known = one.before or other.before
    before = ratio(one.before or one, other.before or other) if is_known else None
    return ratio(one, other), before


def _rates(one: Measured, other: Measured) -> float:
    return one.rate / other.rate


def _effort(one: Measured, other: Measured) -> float:
    return _cpu(one) / _cpu(other)


def _cpu(measured: Measured) -> float:
    return measured.cpu_ms + measured.stores_cpu_ms
