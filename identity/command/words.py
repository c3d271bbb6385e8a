"""Reads words that operators type and others read later: reasons, names of authors."""

import click

LONGEST = 1000  # characters


class Words(click.ParamType[str]):
    """One line of text, without the blanks around it. Fails for control characters.

    `wanted`: it must say something; otherwise it may be empty.
    """

    name = "text"

    def __init__(self, *, wanted: bool) -> None:
        self._wanted = wanted

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """The text on one line: breaks of lines become blanks."""
        text = " ".join(str(value).split())
        if self._wanted and not text:
            self.fail("it must not be empty", param, ctx)
        if not text.isprintable():
            self.fail("it must hold no control characters", param, ctx)
        if len(text) > LONGEST:
            self.fail(f"it may have {LONGEST} characters at most", param, ctx)
        return text


WANTED = Words(wanted=True)
OPTIONAL = Words(wanted=False)
