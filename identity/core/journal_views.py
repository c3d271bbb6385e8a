"""What is told of a row of the journal: one dictionary for commands, API and console."""

import json
from typing import Any

from .journal import JournalEntry

COLUMNS = ("actor", "origin", "action", "subject", "reason", "request_id", "hash")


def describe(entry: JournalEntry) -> dict[str, Any]:
    """A row as JSON, with its facts as an object."""
    return {
        "number": entry.number,
        "at": entry.at.isoformat(),
        "facts": json.loads(entry.facts),
        **{column: getattr(entry, column) for column in COLUMNS},
    }
