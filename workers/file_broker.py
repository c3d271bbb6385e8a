"""A message broker in folders, for an embedded service: kombu's, with atomic writes.

kombu creates a message under its final name and then writes it. A worker that looks in between
reads an empty message and crashes.
"""

import fcntl
import os
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import uuid4

from kombu.exceptions import ChannelError
from kombu.transport import TRANSPORT_ALIASES, filesystem
from kombu.utils.json import dumps

URL = "files://localhost"  # without a host, kombu warns that it takes this one
BINDING = ".binding"  # lock file in the control folder, held while a table of queues is written


class Channel(filesystem.Channel):
    """Writes beside the final name, then renames."""

    def _put(self, queue: str, payload: Any, **_: Any) -> None:  # type: ignore[override]  # its stubs have two names
        name = f"{round(monotonic() * 1000)}_{uuid4()}.{queue}.msg"
        _write(Path(self.data_folder_out) / name, payload)

    def _queue_bind(
        self, exchange: str, routing_key: str | None, pattern: str | None, queue: str | None
    ) -> None:
        bound = filesystem.exchange_queue_t(routing_key or "", pattern or "", queue or "")
        with (self.control_folder / BINDING).open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            queues = self.get_table(exchange)
            if bound not in queues:
                path = self._exchange_file(exchange)  # type: ignore[attr-defined]  # newer than its stubs
                _write(path, [bound, *queues])


class Transport(filesystem.Transport):
    """The transport of URL."""

    Channel = Channel


def _write(path: Path, content: Any) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}.{uuid4()}")
    try:
        draft.write_text(dumps(content), encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        raise ChannelError(f"cannot write {path}: {error.strerror}") from error


TRANSPORT_ALIASES["files"] = f"{__name__}:Transport"
