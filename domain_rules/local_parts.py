"""What may stand before the @: an allow-list, the same whichever way an address comes in.

A mail server reads more into a local part than a name: `a%evil.example` is passed on to another
host, `=?utf-8?q?…?=` is decoded in a header. What is not listed here is refused.
"""

import re
import unicodedata

from domain_rules.address_faults import InvalidAddress, Reason
from domain_rules.display import SCRIPTS, script_of

MAX_LOCAL_BYTES = 64
BASIC = frozenset("abcdefghijklmnopqrstuvwxyz0123456789._+-'")
EXTRA_SIGNS = "=&#~/"
"""Taken at guests' domains, and at an agents' domain whose rule says so."""
TAKEN = BASIC.union(EXTRA_SIGNS)
# As a name is written by most: what is left to ask is whether it is passed on.
PLAIN = re.compile(r"[a-z0-9_][a-z0-9_+'-]*(?:\.[a-z0-9_+'-]+)*")
# Forms that carry another address, which the receiving server or one behind it writes to.
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
# Letters that nobody sees: fillers of Hangul, inherent vowels of Khmer.
UNSEEN = frozenset("\u115f\u1160\u3164\uffa0\u17b4\u17b5")
MARKS = frozenset({"Mn", "Mc"})


def fold(typed: str, *, smtputf8: bool) -> str:
    """One mailbox has one text: letter case does not count (MSC2265), nor how accents are composed.

    Raises InvalidAddress. Folding again changes nothing, and makes no ASCII letter of another one.
    """
    if typed.isascii():
        local = typed.lower()
    elif not smtputf8:  # judged before NFC, which turns the Kelvin sign into a K
        raise InvalidAddress(Reason.NOT_ASCII_LOCAL)
    else:
        if any(map(_turns_into_ascii, typed)):
            raise InvalidAddress(Reason.UNSTABLE_LETTER)
        local = _fold(typed)
    if fault := fault_of(local):
        raise InvalidAddress(fault)
    return local


def fault_of(local: str) -> Reason | None:
    """Why a folded local part would be refused; None if it would be taken."""
    if len(local.encode()) > MAX_LOCAL_BYTES:
        return Reason.LOCAL_TOO_LONG
    if not PLAIN.fullmatch(local):
        if not local:
            return Reason.EMPTY
        if fault := _fault_of_letters(local) or _fault_of_form(local):
            return fault
    return Reason.ROUTED_ONWARD if ROUTED_ONWARD.match(local) else None


def extra_signs(local: str) -> frozenset[str]:
    """Which of `= & # ~ /` it has."""
    return frozenset(EXTRA_SIGNS).intersection(local)


def _fault_of_form(local: str) -> Reason | None:
    if local.startswith(("-", "/")):
        return Reason.LEADING_SIGN
    if local.strip(".") != local or ".." in local:
        return Reason.NOT_AN_ADDRESS
    return None


def _fault_of_letters(local: str) -> Reason | None:
    others = [letter for letter in local if not letter.isascii()]
    if not TAKEN.issuperset(letter for letter in local if letter.isascii()):
        return Reason.FOREIGN_SIGN
    if not others:
        return None
    if any(map(_turns_into_ascii, others)) or _fold(local) != local or local.casefold() != local:
        return Reason.UNSTABLE_LETTER
    if not all(map(_is_letter, others)) or unicodedata.category(local[0]) in MARKS:
        return Reason.FOREIGN_SIGN
    scripts = {script_of(letter) for letter in local if letter.isalpha() or not letter.isascii()}
    if not scripts <= SCRIPTS:
        return Reason.FOREIGN_SIGN
    return None if len(scripts) == 1 else Reason.MIXED_SCRIPTS


def _is_letter(letter: str) -> bool:
    category = unicodedata.category(letter)
    return (category.startswith("L") or category in MARKS) and letter not in UNSEEN


def _turns_into_ascii(letter: str) -> bool:
    """Whether some program that folds or normalizes takes it for an ASCII letter or sign."""
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
