"""Writes mails to files instead of sending them, for development without a relay."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path

from identity.core.private_files import private_folder

from .checks import encode_checked
from .message import own_id
from .outcomes import NotSent, Outcome


@dataclass(frozen=True)
class StoredMail:
    """A decoded mail of the folder. `date` is ISO 8601 in UTC; `raw` is the whole mail."""

    id: str
    to: str
    subject: str
    date: str
    text: str
    html: str | None
    raw: str


class FolderMailer:
    """Accepts every mail. The same Message-ID replaces the file, so a retry doubles nothing."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def send(self, message: EmailMessage, *, envelope_from: str, to: str) -> str:
        """Write the file completely or not at all. Raises NotSent."""
        content = encode_checked(message, envelope_from=envelope_from, to=to)
        mail_id, date = own_id(message), _date(message)
        if not mail_id:
            raise NotSent(Outcome.CONTENT, "the mail has no Message-ID of ours")
        name = f"{date:%Y%m%dT%H%M%SZ}-{mail_id}.eml"
        try:
            private_folder(self._directory)
            _write(self._directory / name, content)
        except OSError as error:
            reason = error.strerror or "the file cannot be written"
            raise NotSent(Outcome.RELAY_DOWN, f"mail folder: {reason}") from error
        return f"written to {name}"

    def probe(self) -> None:
        """Do nothing: the folder is created when it is needed."""

    def close(self) -> None:
        """Do nothing: no connection is held open."""


def read_folder(directory: Path) -> list[StoredMail]:
    """The mails of a folder, newest first. Files that are not mails of ours are skipped."""
    newest_first = (raw for _, raw in sorted(_files(directory), reverse=True))
    return [mail for raw in newest_first if (mail := _stored(raw)) is not None]


def forget_mails(directory: Path, names: Callable[[str], bool]) -> int:
    """Delete the mails whose text or headers `names` recognises. Returns how many.

    For an erased person; half-written files of a crash count too.
    """
    found = [
        path
        for path in (*directory.glob("*.eml"), *directory.glob(".*"))
        if path.is_file() and names(_everything(path.read_bytes()))
    ]
    for path in found:
        path.unlink(missing_ok=True)
    return len(found)


def _everything(raw: bytes) -> str:
    """All headers and texts of a mail, decoded, and the bytes as they are."""
    message = message_from_bytes(raw, policy=policy.default)
    texts = [
        str(part.get_content()) for part in message.walk() if part.get_content_maintype() == "text"
    ]
    headers = [f"{name}: {value}" for name, value in message.items()]
    return "\n".join((*headers, *texts, raw.decode("utf-8", "replace")))


def _files(directory: Path) -> Iterator[tuple[tuple[str, int], bytes]]:
    """Each file's content and age: the second its mail was ordered, then when it was written."""
    for path in directory.glob("*.eml"):
        try:
            content, written = path.read_bytes(), path.stat().st_mtime_ns
        except FileNotFoundError:
            continue  # deleted while we looked
        yield (path.name.partition("-")[0], written), content


def _stored(raw: bytes) -> StoredMail | None:
    message = message_from_bytes(raw, policy=policy.default)
    mail_id = own_id(message)
    if not mail_id or not message["Date"]:
        return None
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    return StoredMail(
        id=mail_id,
        to=str(message["To"] or ""),
        subject=str(message["Subject"] or ""),
        date=_date(message).isoformat(),
        text=str(text.get_content()) if text else "",
        html=str(html.get_content()) if html else None,
        raw=raw.decode("utf-8", "replace"),
    )


def _date(message: EmailMessage) -> datetime:
    return parsedate_to_datetime(str(message["Date"])).astimezone(UTC)


def _write(path: Path, content: bytes) -> None:
    draft = path.with_name(f".{path.stem}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
