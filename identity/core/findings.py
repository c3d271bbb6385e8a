"""The findings of `guichet doctor`: the result of each check, and how to fix what is wrong.

Each has a code and values. The sentences stand in `translations/<language>/findings.po`: commands say
them in English, the console in the operator's language.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from identity.translations import MissingText, texts

Value = str | int


class State(StrEnum):
    """The result of a check. `attention`: it works, but something should be fixed."""

    OK = "ok"
    ATTENTION = "attention"
    FAILED = "failed"


@dataclass(frozen=True)
class Finding:
    """The result of one check. `told`: what was found; `fix`: what to do about it; in English.

    `code` with `values` says the same in every language; without one the English is all there is.
    """

    what: str
    state: State
    told: str
    fix: str = ""
    code: str = ""
    values: Mapping[str, Value] = field(default_factory=dict)


class Silent(Exception):
    """There is no useful answer in time, so the check has no result.

    `status`: the HTTP status of the useless answer, if there was one.
    """

    def __init__(self, status: int | None = None) -> None:
        super().__init__()
        self.status = status


def found(what: str, state: State, code: str, /, **values: Value) -> Finding:
    """The finding of this code, in the words of `finding.<code>.told` and, if it has one, `.fix`."""
    told, fix = sentences(code, values)
    return Finding(what, state, told, fix, code, values)


def sentences(code: str, values: Mapping[str, Value], language: str = "en") -> tuple[str, str]:
    """What was found and what mends it; "" if nothing needs to. Raises MissingText, KeyError."""
    known = texts(language)
    told = known.gettext(f"finding.{code}.told").format(**values)
    try:
        fix = known.gettext(f"finding.{code}.fix")
    except MissingText:
        return told, ""
    return told, fix.format(**values)


def findings_or_silence(
    what: str, code: str, findings: Iterable[Finding], /, **values: Value
) -> Iterator[Finding]:
    """Yield the findings about `what`, and the one of this code if making them raises Silent."""
    try:
        yield from findings
    except Silent:
        yield found(what, State.ATTENTION, code, **values)
