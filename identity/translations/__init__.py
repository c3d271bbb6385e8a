"""The texts of pages and mails in French and English, from gettext catalogues.

Each text has an id; an id without a text raises MissingText, so no page shows a bare id.
"""

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
    """There is no text with this id in this language."""


class Texts(gettext.GNUTranslations):
    """The texts of one language. An unknown id raises MissingText."""

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
    """The texts of a language: its catalogues (`<language>/*.po`), compiled in memory."""
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


def choose_language(wanted: Iterable[str], default: str) -> str:
    """The first of `wanted` (tags like fr-CA, best first) that we have, else the default."""
    for tag in wanted:
        primary = tag.lower().partition("-")[0]
        if primary in LANGUAGES:
            return primary
    return default
