"""What may stand before the @: an allowlist, the same for every way an address comes in.

Mail servers read more into a local part than a name: `a%evil.example` is relayed to another host,
`=?utf-8?q?…?=` is decoded in a header. What is not listed here is refused.
"""

import re
import unicodedata

from domain_rules.address_faults import AddressFault, InvalidAddress
from domain_rules.display import SCRIPTS, script_of

MAX_LOCAL_BYTES = 64
BASIC = frozenset("abcdefghijklmnopqrstuvwxyz0123456789._+-'")
EXTRA_SIGNS = "=&#~/"
"""Accepted at guests' domains, and at agents' domains whose rule allows them."""
ACCEPTED = BASIC.union(EXTRA_SIGNS)
# As most names are written: only forwarding forms remain to be checked.
PLAIN = re.compile(r"[a-z0-9_][a-z0-9_+'-]*(?:\.[a-z0-9_+'-]+)*")
# Forms that contain another address, to which a mail server would relay the mail.
ROUTED_ONWARD = re.compile(
    r"""
      srs[01][=+-]          # sender rewriting: SRS0=hash=day=host=name
    | (?:ms)?prvs\d*=       # bounce tags of the kind prvs=tag=name
    | btv1=                 # and of the kind btv1==tag==name
    | imcea[^-]*-           # what Exchange makes of addresses that are not SMTP's
    | .*/[^/=]*=.*/         # X.400: /c=fr/o=rectorat/
    | .*=[+]\d              # telephone and fax gateways: fax=+33123456789
    | .*=[^=]*[^=.]\.[^=.]  # return paths of lists: list-name=host.example
    """,
    re.VERBOSE,
)
# Invisible letters: fillers of Hangul, inherent vowels of Khmer.
INVISIBLE_LETTERS = frozenset("\u115f\u1160\u3164\uffa0\u17b4\u17b5")
MARKS = frozenset({"Mn", "Mc"})


def fold(typed: str, *, smtputf8: bool) -> str:
    """The canonical local part: lower case (MSC2265), accents composed (NFC).

    Raises InvalidAddress. Folding again changes nothing, and no other letter folds to an ASCII one.
    """
    if typed.isascii():
        local = typed.lower()
    elif not smtputf8:  # before NFC, which turns the Kelvin sign into a K
        raise InvalidAddress(AddressFault.NOT_ASCII_LOCAL)
    else:
        if any(map(_turns_into_ascii, typed)):
            raise InvalidAddress(AddressFault.UNSTABLE_LETTER)
        local = _fold(typed)
    if fault := fault_of(local):
        raise InvalidAddress(fault)
    return local


def fault_of(local: str) -> AddressFault | None:
    """Why a folded local part is refused; None if it is accepted."""
    if len(local.encode()) > MAX_LOCAL_BYTES:
        return AddressFault.LOCAL_TOO_LONG
    if not PLAIN.fullmatch(local):
        if not local:
            return AddressFault.EMPTY
        if fault := _fault_of_letters(local) or _fault_of_form(local):
            return fault
    return AddressFault.ROUTED_ONWARD if ROUTED_ONWARD.match(local) else None


def extra_signs(local: str) -> frozenset[str]:
    """Which of `= & # ~ /` the local part contains."""
    return frozenset(EXTRA_SIGNS).intersection(local)


def _fault_of_form(local: str) -> AddressFault | None:
    if local.startswith(("-", "/")):
        return AddressFault.LEADING_SIGN
    if local.strip(".") != local or ".." in local:
        return AddressFault.NOT_AN_ADDRESS
    return None


def _fault_of_letters(local: str) -> AddressFault | None:
    others = [letter for letter in local if not letter.isascii()]
    if not ACCEPTED.issuperset(letter for letter in local if letter.isascii()):
        return AddressFault.FOREIGN_SIGN
    if not others:
        return None
    if any(map(_turns_into_ascii, others)) or _fold(local) != local or local.casefold() != local:
        return AddressFault.UNSTABLE_LETTER
    if not all(map(_is_letter, others)) or unicodedata.category(local[0]) in MARKS:
        return AddressFault.FOREIGN_SIGN
    scripts = {script_of(letter) for letter in local if letter.isalpha() or not letter.isascii()}
    if not scripts <= SCRIPTS:
        return AddressFault.FOREIGN_SIGN
    return None if len(scripts) == 1 else AddressFault.MIXED_SCRIPTS


def _is_letter(letter: str) -> bool:
    category = unicodedata.category(letter)
    return (category.startswith("L") or category in MARKS) and letter not in INVISIBLE_LETTERS


def _turns_into_ascii(letter: str) -> bool:
    """Whether some way of folding or normalizing makes an ASCII character of the letter."""
    if letter.isascii():
        return False
    read_as = (
        _fold(letter),
        letter.lower(),
        letter.upper(),
        unicodedata.normalize("NFKC", letter).casefold(),
    )
    return any(each.isascii() for text in read_as for each in text)


def _fold(text: str) -> str:
    decomposed = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFC", decomposed.casefold())
