"""What is told of a row of the journal: one dictionary for commands, API and console."""

import json
from typing import Any

from .journal import JournalEntry
from .personal_data import mask_names

COLUMNS = ("actor", "origin", "action", "subject", "reason", "request_id", "hash")


def describe(entry: JournalEntry, *, is_masked: bool = False) -> dict[str, Any]:
    """A row as JSON, with its facts as an object. `is_masked`: without addresses and user IDs."""
    shown = {
        "number": entry.number,
        "at": entry.at.isoformat(),
        "facts": json.loads(entry.facts),
        **{column: getattr(entry, column) for column in COLUMNS},
    }
    if not is_masked:
        return shown
    return shown | {name: _masked(shown[name]) for name in ("subject", "reason", "facts")}


def _masked(value: Any) -> Any:
    """The same with every name in it masked, also those that are keys."""
    match value:
        case str():
            return mask_names(value)
        case dict():
            return {mask_names(name): _masked(each) for name, each in value.items()}
        case list():
            return [_masked(each) for each in value]
        case _:
            return value
