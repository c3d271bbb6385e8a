"""One cell of a list, or a line as mail programs write it: who is meant, and which addresses only stand in other text.

`DURAND, Camille <a@b>, "Martin, Jean" <c@d>`, `a@b; c@d`, `mailto:a@b`, `To: a@b, c@d`. What is not written like that
is told, never taken for a person.
"""

import re
from dataclasses import dataclass
from functools import cached_property

from domain_rules.list_records import BREAK
from domain_rules.words import Word

# A mark or a bracket that is closed keeps what is inside it together.
PIECES = re.compile(rf'"[^"]*"|<[^<>]*>|[;,\t]|{BREAK}')
TOKEN_ENDS = re.compile(r'[\s<>()\[\]";,]+')
NOT_IN_AN_ADDRESS = frozenset('<>()[]"|;,:')
AROUND = ".:!?'’«»…"  # of a sentence, not of an address
TO = re.compile(r"\s*(?:to|[aà]|pour|cc|cci|bcc|copie|destinataires?)\s*:\s*", re.IGNORECASE)
MAILTO = "mailto:"
MANY = 3  # addresses from which a line is one of people although a few things in it are none
FEW = 4  # such things in as many addresses


class Kind(Word):
    """What a piece of a cell is."""

    PERSON = "person"
    NAME = "name"  # without an address
    ASIDE = "aside"  # an address in the middle of other text


@dataclass(frozen=True)
class Piece:
    """A person's address, a name, or an address that stands in other text."""

    kind: Kind
    text: str


@dataclass(frozen=True)
class Cell:
    """What stands in a cell."""

    text: str
    pieces: "tuple[Piece, ...]" = ()

    @cached_property
    def people(self) -> int:
        return sum(piece.kind is Kind.PERSON for piece in self.pieces)

    @cached_property
    def names_people(self) -> bool:
        """Whether its addresses are people: nothing else stands there, or hardly anything."""
        people = self.people
        others = len(self.pieces) - people
        return bool(people) and (not others or (people >= MANY and others * FEW <= people))


def read_cell(text: str) -> Cell:
    """A cell cut into its pieces."""
    if "@" not in text:
        return Cell(text)
    pieces: list[Piece] = []
    names: list[str] = []  # before a comma: `DURAND` of `DURAND, Camille <a@b>`
    greeting = TO.match(text)
    for part, ends in _parts(text[greeting.end() :] if greeting else text):
        if "@" not in part:
            if part.strip():
                names.append(part.strip())
            if ends != ",":
                pieces += _named(names)
                names = []
            continue
        addresses, is_bracketed = _addresses(part)
        pieces += _named(names[:-1] if is_bracketed else names)
        names = []
        pieces += [Piece(Kind.PERSON, each) for each in addresses] or asides(part)
    return Cell(text, tuple(pieces + _named(names)))


def asides(text: str) -> "list[Piece]":
    """Every word with an @ in a text that names nobody."""
    words = words_with_at(text)
    if not all(word.strip("@") for word in words):  # `camille @ a.example`
        return [Piece(Kind.ASIDE, text.strip())]
    return [Piece(Kind.ASIDE, _without_scheme(word).strip(AROUND) or word) for word in words]


def words_with_at(text: str) -> "list[str]":
    """As they stand there, in order."""
    return [word for word in TOKEN_ENDS.split(text) if "@" in word]


def one_address(text: str) -> str:
    """The address in `Nom Prénom <a@b>` or `mailto:a@b?subject=…`; everything else as it is."""
    pieces = read_cell(text).pieces
    if len(pieces) == 1 and pieces[0].kind is Kind.PERSON:
        return pieces[0].text
    return text.strip().strip("'\"").strip()


def is_address(text: str) -> bool:
    """Whether nothing but an address stands there."""
    return _bare(text) == text != ""


def _parts(text: str) -> "list[tuple[str, str]]":
    """Cut where one person ends and the next begins, each with the sign that ends it."""
    found, begins = [], 0
    for piece in PIECES.finditer(text):
        if piece.group()[0] not in '"<':
            found.append((text[begins : piece.start()], piece.group()))
            begins = piece.end()
    return [*found, (text[begins:], "")]


def _named(names: "list[str]") -> "list[Piece]":
    return [Piece(Kind.NAME, name) for name in names]


def _addresses(part: str) -> "tuple[list[str], bool]":
    """The addresses of a part that holds nothing else, and whether a name may stand before them."""
    part = part.strip()
    if part.endswith(">"):
        name, opens, inside = part[:-1].rpartition("<")
        address = _bare(inside.strip()) if opens else ""
        if not address or NOT_IN_A_NAME.intersection(name):
            # `a@b<mailto:a@b>`, as some programs copy a link: one person, twice.
            same = _bare(name.strip()).lower() == address.lower()
            return ([address, address], True) if address and same else ([], False)
        return [address], True
    words = [_bare(word) for word in part.split()]
    return (words, False) if all(words) else ([], False)


NOT_IN_A_NAME = frozenset("@<>:")


def _bare(word: str) -> str:
    """An address without what it is often wrapped in; "" for anything else."""
    for mark in "\"'":
        if len(word) > 1 and word[0] == word[-1] == mark:
            word = word[1:-1].strip()
    word = _without_scheme(word)
    before, at, after = word.partition("@")
    if not (before and at and after) or NOT_IN_AN_ADDRESS.intersection(word):
        return ""
    return "" if any(letter.isspace() for letter in word) else word


def _without_scheme(word: str) -> str:
    if word[: len(MAILTO)].lower() == MAILTO:
        return word[len(MAILTO) :].partition("?")[0]
    return word
