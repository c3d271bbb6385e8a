"""Domains as people read them: in Unicode where that cannot mislead."""

import unicodedata

import idna

# The scripts of which a label may be shown as it is written. Python has no table of
# scripts; the first word of a letter's name serves.
SCRIPTS = frozenset(
    {
        *("ARABIC", "ARMENIAN", "BENGALI", "CJK", "CYRILLIC", "DEVANAGARI", "GEORGIAN", "GREEK"),
        *("GUJARATI", "HANGUL", "HEBREW", "HIRAGANA", "KATAKANA", "KHMER", "LAO", "LATIN"),
        *("MALAYALAM", "SINHALA", "TAMIL", "TELUGU", "THAI", "TIFINAGH"),
    }
)
# Latin letters that are no ASCII letter with a mark and yet look like no other letter.
PLAIN_LATIN = frozenset("æœßøðþđł")


def display_domain(ascii_domain: str) -> str:
    """The domain for people: a label in Unicode only when it is of one script."""
    if "xn--" not in ascii_domain:
        return ascii_domain
    return ".".join(map(_display_label, ascii_domain.split(".")))


def _display_label(label: str) -> str:
    if not label.startswith("xn--"):
        return label
    try:
        shown = idna.ulabel(label)
    except ValueError:  # a label that never went through `parse_domain`
        return label
    scripts = {_script(letter) for letter in shown if letter not in "-0123456789"}
    return shown if len(scripts) == 1 and scripts <= SCRIPTS else label


def script_of(letter: str) -> str:
    """The first word of its name, such as LATIN or GREEK; "?" for what is no letter of this Unicode."""
    return unicodedata.name(letter, "?").partition(" ")[0]


def _script(letter: str) -> str:
    script = script_of(letter)
    if script != "LATIN" or letter in PLAIN_LATIN:
        return script
    return script if unicodedata.normalize("NFD", letter)[0].isascii() else "?"
