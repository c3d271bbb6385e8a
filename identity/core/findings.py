"""The findings of `guichet doctor`: the result of each check, and how to fix what is wrong."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """The result of a check. `attention`: it works, but something should be fixed."""

    OK = "ok"
    ATTENTION = "attention"
    FAILED = "failed"


@dataclass(frozen=True)
class Finding:
    """The result of one check. `told`: what was found; `fix`: what to do about it."""

    what: str
    state: State
    told: str
    fix: str = ""


class Silent(Exception):
    """There is no useful answer in time, so the check has no result.

    `status`: the HTTP status of the useless answer, if there was one.
    """

    def __init__(self, status: int | None = None) -> None:
        super().__init__()
        self.status = status


def findings_or_silence(what: str, question: str, findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yield the findings about `what`, and one more if making them raises Silent."""
    try:
        yield from findings
    except Silent:
        told = f"it gave no useful answer: {question} was not looked at"
        yield Finding(what, State.ATTENTION, told, "ask again; if it stays so, is it overloaded?")
