"""Texts in French and English: each has an id, and one without a text is a fault, never a silent blank."""

import gettext
import io
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Final

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

LANGUAGES: Final = ("fr", "en")
FOLDER = Path(__file__).parent


class MissingText(KeyError):
    """No text stands under this id in this language."""


class Texts(gettext.GNUTranslations):
    """The texts of one language. Asked for an unknown id it raises MissingText."""

    language: str = ""

    def gettext(self, message: str) -> str:
        found = super().gettext(message)
        if found == message:
            raise MissingText(f"{self.language}: {message}")
        return found

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        found = super().ngettext(msgid1, msgid2, n)
        if found in {msgid1, msgid2}:
            raise MissingText(f"{self.language}: {msgid1}")
        return found


@cache
def texts(language: str) -> Texts:
    """Every catalogue (`<language>/*.po`) of a language, compiled in memory: no build step to forget."""
    merged: Texts | None = None
    for path in sorted((FOLDER / language).glob("*.po")):
        compiled = io.BytesIO()
        with path.open("rb") as source:
            write_mo(compiled, read_po(source, locale=language))
        compiled.seek(0)
        part = Texts(compiled)
        if merged is None:
            merged = part
        else:
            merged._catalog.update(part._catalog)  # type: ignore[attr-defined]  # noqa: SLF001  gettext offers no merge
    if merged is None:
        raise MissingText(language)
    merged.language = language
    return merged


def choose(wanted: Iterable[str], default: str) -> str:
    """The first language of `wanted` (tags like fr-CA, best first) that we speak, else the default."""
    for tag in wanted:
        primary = tag.lower().partition("-")[0]
        if primary in LANGUAGES:
            return primary
    return default
