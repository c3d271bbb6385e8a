"""Finds and reads the file with the settings of production, in the syntax that systemd reads.

`/etc/guichet/guichet.env` is given to the units as `EnvironmentFile=`; the command reads the same
file, and so must read the same values (systemd.exec(5); systemd's src/basic/env-file.c).
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

DEFAULT = Path("/etc/guichet/guichet.env")
VARIABLE = "GUICHET_ENV_FILE"
DATABASE = ("GUICHET_DATABASE_URL", "GUICHET_DATABASE_URL_FILE")
MAX_BYTES = 1 << 20

BLANKS, ENDS = " \t\n\r", "\n\r"
ESCAPED_IN_QUOTES = '"\\`$'
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class WrongEnvFile(Exception):
    """The file cannot be read, or a line is none that systemd takes. The message says which."""


@dataclass(frozen=True)
class Assignment:
    """What a file assigns to a variable, and in which line that begins."""

    line: int
    name: str
    value: str


def find_env_file(environment: Mapping[str, str] | None = None) -> Path | None:
    """The file that is read in this environment; None if there is none.

    `GUICHET_ENV_FILE` names it, or says that none is read, when it is empty. Without it, it is
    that of production, if it exists and the environment gives no database of its own.
    Raises WrongEnvFile if it may not be looked at.
    """
    given = os.environ if environment is None else environment
    named = given.get(VARIABLE)
    if named is not None:
        return Path(named) if named else None
    if any(given.get(name) for name in DATABASE):
        return None
    try:
        return DEFAULT if DEFAULT.exists() else None
    except PermissionError:
        raise WrongEnvFile(_not_allowed(DEFAULT)) from None


def read_env_file(path: Path) -> dict[str, str]:
    """The variables in the file, as systemd would set them. Raises WrongEnvFile.

    A line that systemd would leave out with a warning in its log is an error here.
    """
    return {each.name: each.value for each in read_assignments(path)}


def read_assignments(path: Path) -> list[Assignment]:
    """All assignments in the file, in order: of two to one name the last one counts.

    Raises WrongEnvFile.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except PermissionError:
        raise WrongEnvFile(_not_allowed(path)) from None
    except OSError as error:
        raise WrongEnvFile(f"{path} cannot be read: {error.strerror}") from None
    except ValueError:  # a name with a null byte
        raise WrongEnvFile(f"{VARIABLE} is no path, for example {DEFAULT}") from None
    if len(raw) > MAX_BYTES:
        raise WrongEnvFile(f"{path} is larger than {MAX_BYTES // 1024} KiB: is it the right file?")
    if b"\0" in raw:  # systemd reads nothing at all of such a file
        line = raw.count(b"\n", 0, raw.index(b"\0")) + 1
        raise WrongEnvFile(f"{path}, line {line}: there is a null byte, so it is no text")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise WrongEnvFile(f"{path}, line {line}: it is not UTF-8") from None
    found = []
    for line, name, value in parse(text, path):
        _check(path, line, name, value)
        found.append(Assignment(line, name, value))
    return found


def _not_allowed(path: Path) -> str:
    return (
        f"{path} may not be read by you: run it as root (sudo guichet …) "
        "or as a member of the group guichet"
    )


def _check(path: Path, line: int, name: str, value: str) -> None:
    where = f"{path}, line {line}"
    if not NAME.fullmatch(name):
        raise WrongEnvFile(f"{where}: {name!r} is no name of a variable, write NAME=value")
    if any(not (letter >= " " or letter in "\t\n") or letter == "\x7f" for letter in value):
        raise WrongEnvFile(f"{where}: the value of {name} holds a control character")
    if any(map(_is_noncharacter, value)):
        raise WrongEnvFile(f"{where}: the value of {name} holds what is no character of Unicode")


def _is_noncharacter(letter: str) -> bool:
    """Whether systemd calls this no UTF-8, and leaves the line out (Unicode 15, chapter 23.7)."""
    return "\ufdd0" <= letter <= "\ufdef" or ord(letter) & 0xFFFE == 0xFFFE  # noqa: PLR2004  Unicode's own number


def parse(text: str, path: Path = DEFAULT) -> Iterator[tuple[int, str, str]]:
    """The line, name and value of each assignment. Raises WrongEnvFile."""
    reader = _Reader(text, path)
    while (found := reader.next_assignment()) is not None:
        yield found


class _Reader:
    """One character after the other, since a value may go over several lines."""

    def __init__(self, text: str, path: Path) -> None:
        self.text, self.path, self.at = text, path, 0

    def next_assignment(self) -> tuple[int, str, str] | None:
        while self.at < len(self.text):
            letter = self.text[self.at]
            if letter in BLANKS:
                self.at += 1
            elif letter in "#;":
                self._skip_comment()
            else:
                line = self._line()
                return line, self._name(line), self._value(line)
        return None

    def _line(self) -> int:
        return self.text.count("\n", 0, self.at) + 1

    def _until(self, letters: str) -> str:
        start = self.at
        while self.at < len(self.text) and self.text[self.at] not in letters:
            self.at += 1
        return self.text[start : self.at]

    def _skip_comment(self) -> None:
        line = self._line()
        comment = self._until(ENDS)
        following = self.text[self.at :].lstrip(ENDS).partition("\n")[0].strip(BLANKS)
        if re.search(r"(?<!\\)(\\\\)*\\$", comment) and following:
            # Until version 253 of systemd the comment goes on in the next line, later it does not.
            raise WrongEnvFile(
                f"{self.path}, line {line}: a comment must not end with a backslash: "
                "some versions of systemd would leave out the line after it"
            )

    def _name(self, line: int) -> str:
        name = self._until("=" + ENDS)
        if self.text[self.at : self.at + 1] != "=":
            # Not repeated here: it may be a secret that was written without its name.
            raise WrongEnvFile(f"{self.path}, line {line}: there is no =, write NAME=value")
        self.at += 1
        return name.rstrip(BLANKS)

    def _value(self, line: int) -> str:
        """Quoted and plain parts in a row make one value.

        Blanks before a part are dropped, and those at the end of a plain one.
        """
        parts: list[str] = []
        while True:
            while self.text[self.at : self.at + 1] in {" ", "\t"}:
                self.at += 1
            if self.at >= len(self.text) or self.text[self.at] in ENDS:
                return "".join(parts)
            if self.text[self.at] in "\"'":
                parts.append(self._quoted(line))
            else:
                parts.append(self._plain())

    def _quoted(self, line: int) -> str:
        quote, value = self.text[self.at], ""
        self.at += 1
        while self.at < len(self.text):
            letter = self.text[self.at]
            self.at += 1
            if letter == quote:
                return value
            if letter == "\\" and quote == '"':
                letter = self.text[self.at : self.at + 1]
                self.at += 1
                if letter == "\n":
                    continue
                value += letter if letter in ESCAPED_IN_QUOTES else f"\\{letter}"
            else:
                value += letter
        raise WrongEnvFile(f"{self.path}, line {line}: a quotation mark is not closed")

    def _plain(self) -> str:
        """Up to the end of the line: a quotation mark inside is a letter like others."""
        value, kept = "", 0  # `kept`: letters that are no blanks at the end
        while self.at < len(self.text) and (letter := self.text[self.at]) not in ENDS:
            self.at += 1
            if letter == "\\":
                letter = self.text[self.at : self.at + 1]
                self.at += 1
                value += "" if letter in ENDS else letter
                kept = len(value)
            else:
                value += letter
                kept = kept if letter in BLANKS else len(value)
        return value[:kept]
