"""A mapping read from a file, whose faults name their line."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timezone

from .reasons import reason

MAX_EXCERPT = 80
NUL = "\0"  # PostgreSQL stores no text with it

Path = tuple[str | int, ...]
Lines = Mapping[Path, int]


@dataclass(frozen=True, slots=True)
class LineFault:
    """A line that was not accepted: its number, its text, and why."""

    line: int
    text: str
    reason: str


def excerpt(value: object) -> str:
    """The text of a value, shortened and safe to print in a terminal."""
    text = value if isinstance(value, str) else repr(value)
    shown = "".join(
        letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text[:MAX_EXCERPT]
    )
    return shown + "…" if len(text) > MAX_EXCERPT else shown


def line_of(lines: Lines, path: Path) -> int:
    """The line of a value, or of the nearest value around it whose line is known."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


@dataclass(slots=True)
class Located:
    """One mapping being read: gives its fields by type and records what is wrong with them."""

    content: Mapping[object, object]
    path: Path
    lines: Lines
    faults: list[LineFault] = field(default_factory=list)

    @property
    def line(self) -> int:
        """The line on which the mapping begins."""
        return line_of(self.lines, self.path)

    def add_fault(self, key: str | None, why: str) -> None:
        """Record what is wrong with a field, or with the whole mapping (None)."""
        path = self.path if key is None else (*self.path, key)
        value = self.content if key is None else self.content.get(key)
        self.faults.append(LineFault(line_of(self.lines, path), excerpt(value), why))

    def check_keys(self, known: Collection[str]) -> None:
        """Record a fault for each unknown key: a typing error must not pass silently."""
        for key in self.content:
            if key not in known:
                path = (*self.path, str(key))
                why = reason("unknown_key", known=", ".join(sorted(known)))
                self.faults.append(LineFault(line_of(self.lines, path), excerpt(key), why))

    def text(self, key: str) -> str | None:
        """A text without blanks around it; None if missing or empty."""
        value = self.content.get(key)
        if value is None:
            return None
        if not isinstance(value, str):
            self.add_fault(key, reason("no_text", key=key))
            return None
        if NUL in value:
            self.add_fault(key, reason("zero_in_text", key=key))
            return None
        return value.strip() or None

    def flag(self, key: str) -> bool | None:
        """True or false; None if missing."""
        value = self.content.get(key)
        if value is None or isinstance(value, bool):
            return value
        self.add_fault(key, reason("no_flag", key=key))
        return None

    def word(self, key: str, known: Collection[str]) -> str | None:
        """One of the known words; None if missing."""
        value = self.text(key)
        if value is None or value in known:
            return value
        self.add_fault(key, reason("unknown_word", key=key, known=", ".join(sorted(known))))
        return None

    def moment(self, key: str) -> datetime | None:
        """A date or a time, in UTC if it names no time zone."""
        value = self.content.get(key)
        if value is None:
            return None
        found = _moment(value)
        if found is None:
            self.add_fault(key, reason("no_moment", key=key))
        return found

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts; a single one may be written without brackets."""
        value = self.content.get(key)
        values = [value] if isinstance(value, str) else value
        if values is None:
            return ()
        if isinstance(values, list) and all(map(_is_text, values)):
            return tuple(values)
        self.add_fault(key, reason("no_texts", key=key))
        return ()


def _is_text(value: object) -> bool:
    return isinstance(value, str) and NUL not in value


def _moment(value: object) -> datetime | None:
    found = _read_moment(value)
    try:
        return found and found.astimezone(timezone.utc)
    except OverflowError:  # in the year 1 or 9999, where UTC has no date for it
        return None


def _read_moment(value: object) -> datetime | None:
    if isinstance(value, str):
        value = _attempt(datetime.fromisoformat, value.strip().replace("Z", "+00:00"))
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=timezone.utc)
    if isinstance(value, date):
        return datetime.combine(value, time(), timezone.utc)
    return None


def _attempt(read: Callable[[str], datetime], text: str) -> datetime | None:
    try:
        return read(text)
    except ValueError:
        return None
