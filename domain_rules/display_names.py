"""Display names of new accounts, proposed from the address and cleaned."""

import unicodedata

from domain_rules.addresses import EmailAddress

MAX_NAME = 64
MAX_ORGANISATION = 30
EN_DASH = "\u2013"
# Characters that make clients draw a link, or people see an address, inside a name.
OF_A_URL = frozenset('/\\:@#?&%=<>[]{}|^~`$*"')


def display_name(address: EmailAddress, organisation: str) -> str:
    """`Camille Durand [Rouen]`: name from the local part, place from the organisation's end."""
    person = _person(address.local) or clean_name(address.ascii_domain)
    place = clean_name(organisation.rpartition(EN_DASH)[2], longest=MAX_ORGANISATION)
    if not place:
        return person
    bracketed = f" [{place}]"
    return clean_name(person, longest=MAX_NAME - len(bracketed)) + bracketed


def clean_name(text: str, *, longest: int = MAX_NAME) -> str:
    """A name without invisible characters or anything that clients turn into a link."""
    letters = [
        _clean_letter(letter) for letter in unicodedata.normalize("NFC", text[: 4 * longest])
    ]
    words = "".join(letters).split()
    # A dot inside a word makes it a link in some clients; at its end it is an initial's.
    apart = " ".join(word.strip(".").replace(".", " ") + _final_dot(word) for word in words)
    return " ".join(apart.split())[:longest].strip()


def _person(local: str) -> str:
    untagged = local.partition("+")[0] or local
    name = untagged.rstrip("0123456789").rstrip("._-") or untagged
    words = name.replace("_", " ").replace(".", " ").title()
    return clean_name(words)


def _clean_letter(letter: str) -> str:
    category = unicodedata.category(letter)
    if category == "Cf":  # zero-width and direction marks: gone without a gap
        return ""
    return " " if category[0] in "CZ" or letter in OF_A_URL else letter


def _final_dot(word: str) -> str:
    return "." if word.endswith(".") and word.strip(".") else ""
