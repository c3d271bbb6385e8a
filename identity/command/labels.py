"""Reads the labels of things that are numbered, on the command line: `C-142`."""

import re
from typing import Any, Final

import click


class Label(click.ParamType[int]):
    """`C-142` or 142, whose value is the number."""

    def __init__(self, letter: str) -> None:
        self.name = f"{letter}-n"
        self.letter = letter
        self.form = re.compile(rf"(?:{letter}-)?([1-9][0-9]{{0,8}})", re.IGNORECASE)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        found = self.form.fullmatch(str(value))
        if not found:
            letter = self.letter
            self.fail(f"{value!r} is none: they are called {letter}-1, {letter}-2", param, ctx)
        return int(found[1])


CHANGE: Final = Label("C")
