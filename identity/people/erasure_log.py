"""The erasure log: a file outside the database that tells which people were erased, by keyed hash.

A backup that is restored brings erased people back. Each erasure therefore adds a line here, before
it is committed, and `replay` in `erasure.py` erases again whom the restored database holds.

A line is JSON: {"at": time, "key": which key made the hashes, "journal_number", "journal_hash": of
the row about this erasure, "names": {"addresses", "user_ids", "opt_outs", "pseudonyms": [hash]},
"replays": [journal_hash of entries that were replayed]}. There is no address in it.
"""

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from identity.core.private_files import private_file
from identity.problems import Problem


class ErasureLogUnusable(Problem):
    """The erasure log cannot be read or written."""


@dataclass(frozen=True)
class Names:
    """Keyed hashes: of addresses and user IDs, and as rows of opt-outs and old invitations hold."""

    addresses: tuple[str, ...] = ()
    user_ids: tuple[str, ...] = ()
    opt_outs: tuple[str, ...] = ()
    pseudonyms: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """One erasure, or one replay of several. `at` is ISO 8601 in UTC."""

    at: str
    key: str
    journal_number: int
    journal_hash: str
    names: Names = Names()
    replays: tuple[str, ...] = ()


ENTRY: Final = TypeAdapter(Entry)


def append(log: Path, entry: Entry) -> None:
    """Add a line, which is on the disk when this returns. Raises ErasureLogUnusable."""
    line = ENTRY.dump_json(entry) + b"\n"
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        private_file(log)
        descriptor = os.open(log, os.O_WRONLY | os.O_APPEND)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # two commands at once write two lines
            written = os.write(descriptor, line)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise ErasureLogUnusable(
            f"GUICHET_ERASURE_LOG: {log} cannot be written ({error.strerror}); nothing was erased"
        ) from None
    if written != len(line):
        raise ErasureLogUnusable(f"GUICHET_ERASURE_LOG: {log}: no space left; nothing was erased")


def read(log: Path) -> list[Entry]:
    """All entries, oldest first; none if there is no file. Raises ErasureLogUnusable.

    A last line that was cut off by a crash belongs to an erasure that was not committed.
    """
    try:
        lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise ErasureLogUnusable(f"GUICHET_ERASURE_LOG: {log} cannot be read: {error}") from None
    found = []
    for number, line in enumerate(lines, 1):
        try:
            found.append(ENTRY.validate_json(line))
        except ValidationError:
            if number == len(lines) and not line.endswith("\n"):
                break
            raise ErasureLogUnusable(
                f"GUICHET_ERASURE_LOG: line {number} of {log} is no entry of ours"
            ) from None
    return found
