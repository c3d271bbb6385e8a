"""Rows of loads that were measured in turn."""

from collections.abc import Iterator, Mapping

from .load import Measured
from .rows import Row


def figures(what: str, measured: Mapping[str, Measured]) -> Iterator[Row]:
    """A row for each: the processor time of an answer, with everything else beside."""
    for name, each in measured.items():
        yield Row(f"{what}, {name}", _cpu(each), "ms CPU", detail=str(each))


def rate_to(name: str, ours: Measured, theirs: Measured, *, at_least: float | None = None) -> Row:
    """How many times as much the one answers in a second as the other."""
    cpu = _cpu(theirs) / _cpu(ours)
    told = f"{ours.rate:,.0f}/s to {theirs.rate:,.0f}/s; by processor time {cpu:.2f} x"
    return Row(name, ours.rate / theirs.rate, "x", at_least=at_least, detail=told)


def cpu_to(name: str, theirs: Measured, ours: Measured, *, at_least: float) -> Row:
    """How many times as much processor time the one needs for an answer as the other."""
    told = f"{_cpu(theirs):.2f} ms to {_cpu(ours):.2f} ms"
    return Row(name, _cpu(theirs) / _cpu(ours), "x", at_least=at_least, detail=told)


def time_to(name: str, ours: Measured, theirs: Measured, *, at_most: float) -> Row:
    """How many times as long the one takes as the other, with the same number of connections."""
    cpu = _cpu(ours) / _cpu(theirs)
    told = f"{ours.rate:,.0f}/s to {theirs.rate:,.0f}/s; by processor time {cpu:.2f} x"
    return Row(name, theirs.rate / ours.rate, "x", at_most=at_most, detail=told)


def _cpu(measured: Measured) -> float:
    return measured.cpu_ms + measured.stores_cpu_ms
