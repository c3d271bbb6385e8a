"""What `guichet doctor` says of one thing it looked at."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How it is. `attention` works, and will not as it should."""

    OK = "ok"
    ATTENTION = "attention"
    FAILED = "failed"


@dataclass(frozen=True)
class Finding:
    """What was looked at, how it is, and what mends it."""

    what: str
    state: State
    told: str
    fix: str = ""


class Silent(Exception):
    """No answer in time, or none that is of use: nothing is known, so nothing is said to be open.

    `status`: of the answer that was no use, if there was one.
    """

    def __init__(self, status: int | None = None) -> None:
        super().__init__()
        self.status = status


def seen(what: str, question: str, findings: Iterable[Finding]) -> Iterator[Finding]:
    """What was found at `what`; or that nothing was, where looking raises Silent."""
    try:
        yield from findings
    except Silent:
        told = f"it gave no useful answer: {question} was not looked at"
        yield Finding(what, State.ATTENTION, told, "ask again; if it stays so, is it overloaded?")
