"""Shows domains to people: in Unicode where that cannot mislead, else as A-labels."""

import unicodedata

import idna

# Scripts in which a label may be shown. Python has no table of scripts, so the first word of a
# letter's Unicode name is used.
SCRIPTS = frozenset(
    {
        *("ARABIC", "ARMENIAN", "BENGALI", "CJK", "CYRILLIC", "DEVANAGARI", "GEORGIAN", "GREEK"),
        *("GUJARATI", "HANGUL", "HEBREW", "HIRAGANA", "KATAKANA", "KHMER", "LAO", "LATIN"),
        *("MALAYALAM", "SINHALA", "TAMIL", "TELUGU", "THAI", "TIFINAGH"),
    }
)
# Latin letters that do not decompose into an ASCII letter and yet look like no other letter.
PLAIN_LATIN = frozenset("æœßøðþđł")


def display_domain(ascii_domain: str) -> str:
    """The domain for people: a label in Unicode only if all its letters are of one script."""
    if "xn--" not in ascii_domain:
        return ascii_domain
    return ".".join(map(_display_label, ascii_domain.split(".")))


def letters_of(ascii_domain: str) -> str:
    """The domain in Unicode whatever its letters, to compare it: other programs show it so."""
    if "xn--" not in ascii_domain:
        return ascii_domain
    return ".".join(map(_letters, ascii_domain.split(".")))


def _letters(label: str) -> str:
    if not label.startswith("xn--"):
        return label
    try:
        return idna.ulabel(label)
    except ValueError:  # a label that never went through `parse_domain`
        return label


def _display_label(label: str) -> str:
    if (shown := _letters(label)) == label:
        return label
    scripts = {_script(letter) for letter in shown if letter not in "-0123456789"}
    return shown if len(scripts) == 1 and scripts <= SCRIPTS else label


def script_of(letter: str) -> str:
    """The first word of the letter's Unicode name, such as LATIN; "?" for unnamed characters."""
    return unicodedata.name(letter, "?").partition(" ")[0]


def _script(letter: str) -> str:
    script = script_of(letter)
    if script != "LATIN" or letter in PLAIN_LATIN:
        return script
    return script if unicodedata.normalize("NFD", letter)[0].isascii() else "?"
