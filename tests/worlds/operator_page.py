"""A page for operators as a list of what can be tried: its blocks of code, and commands in its text."""

import re
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(r"^ *```(\S*)$")
HEADING = re.compile(r"^#+ (.+)$")
INLINE = re.compile(r"`(guichet [^`]+)`")
LANGUAGES = {"sh", "ini"}  # run, and written into the file that its first line names
DEEP = " " * 4  # what is indented so far, outside of a fence, is code without a language


class UnknownCode(AssertionError):
    """Something on the page looks like code, and nobody would try it."""


@dataclass(frozen=True)
class Piece:
    """`kind`: heading, inline, or the language of a block."""

    kind: str
    text: str
    where: str


def read(path: Path) -> list[Piece]:
    """In the order of the page. Raises UnknownCode."""
    found: list[Piece] = []
    prose: list[str] = []
    began = 1

    def end_of_prose() -> None:
        for command in INLINE.findall("\n".join(prose)):
            words = re.sub(r"\s+", " ", command)
            found.append(Piece("inline", words, f"{path.name}:{began}: {words}"))
        prose.clear()

    lines = iter(enumerate(path.read_text(encoding="utf-8").splitlines(), start=1))
    for number, line in lines:
        where = f"{path.name}:{number}"
        if fence := FENCE.match(line):
            end_of_prose()
            if fence[1] not in LANGUAGES:
                raise UnknownCode(f"{where}: a block of “{fence[1]}” is tried by nobody")
            block = []
            for _, inside in lines:
                if inside.strip() == "```":
                    break
                block.append(inside)
            else:
                raise UnknownCode(f"{where}: the block has no end")
            found.append(Piece(fence[1], _without_indent(block), where))
        elif line.startswith((DEEP, "\t")):
            raise UnknownCode(f"{where}: code without a fence is tried by nobody")
        elif heading := HEADING.match(line):
            end_of_prose()
            found.append(Piece("heading", heading[1], where))
        elif line.startswith("|") or not line:
            prose.append(line)
            end_of_prose()
            began = number + 1
        else:
            if not prose:
                began = number
            prose.append(line)
    end_of_prose()
    return found


def _without_indent(lines: list[str]) -> str:
    """A block inside of a list is indented as the list is."""
    deep = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return "\n".join(line[deep:] for line in lines)
