"""A page for operators as a list of what can be tried: its blocks of code, and commands in its text."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(r"^ *```(\S*)$")
HEADING = re.compile(r"^#+ (.+)$")
INLINE = re.compile(r"`((?:guichet|systemctl|journalctl) [^`]+)`")
LANGUAGES = {"sh", "ini"}  # run, and written into the file that its first line names
DEEP = " " * 4  # what is indented so far, outside of a fence, is code without a language


class UnknownCode(AssertionError):
    """Something on the page looks like code, and nobody would try it."""


@dataclass(frozen=True)
class Piece:
    """`kind`: heading, inline (in a sentence), cell (in a table), or the language of a block."""

    kind: str
    text: str
    where: str


def read(path: Path) -> list[Piece]:
    """In the order of the page. Raises UnknownCode."""
    found: list[Piece] = []
    prose: list[str] = []
    lines = iter(enumerate(path.read_text(encoding="utf-8").splitlines(), start=1))
    for number, line in lines:
        where = f"{path.name}:{number}"
        heading, fence = HEADING.match(line), FENCE.match(line)
        if line.startswith((DEEP, "\t")):
            raise UnknownCode(f"{where}: code without a fence is tried by nobody")
        if not (heading or fence):
            prose.append(line)
        if heading or fence or not line or line.startswith("|"):
            found += _commands_in(prose, where)
            prose.clear()
        if heading:
            found.append(Piece("heading", heading[1], where))
        if fence:
            if fence[1] not in LANGUAGES:
                raise UnknownCode(f"{where}: a block of “{fence[1]}” is tried by nobody")
            found.append(Piece(fence[1], _block(lines, where), where))
    return [*found, *_commands_in(prose, "the end")]


def _commands_in(prose: list[str], where: str) -> Iterator[Piece]:
    """A command may go over the end of a line."""
    for command in INLINE.findall("\n".join(prose)):
        words = re.sub(r"\s+", " ", command)
        kind = "cell" if prose[0].startswith("|") else "inline"
        yield Piece(kind, words, f"{where}: {words}")


def _block(lines: Iterator[tuple[int, str]], where: str) -> str:
    block = []
    for _, line in lines:
        if line.strip() == "```":
            return _without_indent(block)
        block.append(line)
    raise UnknownCode(f"{where}: the block has no end")


def _without_indent(lines: list[str]) -> str:
    """A block inside of a list is indented as the list is."""
    deep = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return "\n".join(line[deep:] for line in lines)
