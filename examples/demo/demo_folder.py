"""The folder of a demo: emptied at its start, and locked as long as it runs."""

import fcntl
import json
import os
import shutil
from pathlib import Path
from typing import Any, Self

from .children import Failed

MARK = ".demo"  # a file that marks the folder of a demo: all else in it may be deleted
FACTS = "demo.json"


class DemoFolder:
    """A context manager: locks and empties the folder on entering, deletes demo.json on leaving."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.facts_file = folder / FACTS
        self._descriptor = -1

    def __enter__(self) -> Self:
        """Delete the files of an earlier demo. Raises Failed for any other folder, or if locked."""
        mark = self.folder / MARK
        if self.folder.exists() and any(self.folder.iterdir()) and not mark.exists():
            raise Failed(f"{self.folder} is not empty, nor of a demo: choose another --folder")
        self.folder.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(mark, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._descriptor)
            raise Failed(f"{self.folder} belongs to a demo that runs") from None
        self.folder.chmod(0o700)  # the databases of the homeservers hold access tokens
        for entry in self.folder.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry != mark:
                entry.unlink()
        return self

    def __exit__(self, *_: object) -> None:
        self.facts_file.unlink(missing_ok=True)
        os.close(self._descriptor)

    def publish(self, facts: dict[str, Any]) -> None:
        """Write demo.json atomically: programs wait for it."""
        draft = self.facts_file.with_suffix(".draft")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(facts, indent=1), encoding="utf-8")
        draft.replace(self.facts_file)
