"""The rows of the result table, each a figure with its bound, and helpers to measure time."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

GROWTH = 1.3  # times the cost beside ten times the rows
ROUNDS = 5
rounds = ROUNDS  # of each alternative; fewer, for a first look


@dataclass(frozen=True)
class Row:
    """A figure: `value` in `unit` (`x` is a ratio), and its bound; without one it is only shown.

    `before`: the figure of the older checkout beside, None without one.
    """

    name: str
    value: float
    unit: str
    at_least: float | None = None
    at_most: float | None = None
    detail: str = ""
    before: float | None = None

    @property
    def is_reached(self) -> bool:
        """Whether the value is within its bound."""
        enough = self.at_least is None or self.value >= self.at_least
        return enough and (self.at_most is None or self.value <= self.at_most)

    @property
    def must(self) -> str:
        """The bound as text."""
        if self.at_least is not None:
            return f"≥ {self.at_least:g} {self.unit}"
        return f"≤ {self.at_most:g} {self.unit}" if self.at_most is not None else ""


def in_turn(measures: Mapping[str, Callable[[], float]]) -> dict[str, float]:
    """The median for each alternative.

    All are measured once per round, so noise affects all alike.
    """
    taken: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            taken[name].append(measure())
    return {name: statistics.median(values) for name, values in taken.items()}


def seconds_each(act: Callable[[], object], times: int) -> float:
    """The mean seconds of one of `times` calls."""
    began = time.perf_counter()
    for _ in range(times):
        act()
    return (time.perf_counter() - began) / times
