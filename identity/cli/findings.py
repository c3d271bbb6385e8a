"""What `guichet doctor` says of one thing it looked at."""

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
