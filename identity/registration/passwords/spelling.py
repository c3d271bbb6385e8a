"""How a word of a password is written where words are compared."""

import unicodedata

MAX_WORD = 28  # letters of a word
LIGATURES = str.maketrans({"œ": "oe", "Œ": "OE", "æ": "ae", "Æ": "AE", "ß": "ss"})


def composed(text: str) -> str:
    """The text in NFC, with ligatures written as two letters."""
    return unicodedata.normalize("NFC", text).translate(LIGATURES)


def plain(text: str) -> str:
    """Lower case without accents, of the same length: "Zoé" and "zoe" are the same guess."""
    if text.isascii():
        return text.lower()
    return "".join(_base(each) for each in composed(text))


def _base(letter: str) -> str:
    base = unicodedata.normalize("NFKD", letter)[0].casefold()
    return base if len(base) == 1 else letter
