"""One cell of a list, or a line as mail programs write it: who is meant, and which addresses only stand in other text.

`DURAND, Camille <a@b>, "Martin, Jean" <c@d>`, `a@b; c@d`, `mailto:a@b`, `To: a@b, c@d`, `Participants: a@b, c@d;` (the
groups of RFC 5322). What is not written like that is told, never taken for a person: so are the addresses behind
words and a colon that do not say that these are the people meant.
"""

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from domain_rules.enums import Word

from .headers import names_people
from .records import BREAK

# A mark or a bracket that is closed keeps what is inside it together.
PIECES = re.compile(rf'"[^"]*"|<[^<>]*>|[;,\t]|{BREAK}')
SIGNS = re.compile(rf"([;,\t]|{BREAK})")
WRAPPED = frozenset('"<')
MAX_PARTS = 30_000  # of one cell: nobody's list is so long
TOKEN_ENDS = re.compile(r'[\s<>()\[\]";,]+')
NOT_IN_AN_ADDRESS = frozenset('<>()[]"|;,:')
AROUND = ".:!?'’«»…"  # of a sentence, not of an address
# What most addresses are: read without further ado.
BARE = re.compile(r"[^\s'\"<>()\[\]|;,:@&]+@[^\s'\"<>()\[\]|;,:@&]+")
LABEL = re.compile(r"\s*([^@:<>\"]{1,80}?)\s*:(?!\S*//)\s*")
MAX_LABELS = 3
NO_LABELS: "list[str]" = []
MAILTO = "mailto:"
# A cut entity of HTML is no part of an address: `camille@a.example&gt`.
ENTITY = re.compile(r"&(?:[lg]t|amp|quot|apos|nbsp|#\d)", re.IGNORECASE)
# Before an item of a list: `- a@b`, `2) a@b`.
LIST_MARK = re.compile(
    r"(?:[-*\u2010-\u2015\u2022\u2023\u25aa\u25cf\u25e6\u00b7\uf0b7]|\d{1,4}[.)])\s+"
)
MANY = 3  # addresses from which a line is one of people although a few things in it are none
FEW = 4  # such things in as many addresses


class Kind(Word):
    """What a piece of a cell is."""

    PERSON = "person"
    NAME = "name"  # without an address
    ASIDE = "aside"  # an address in the middle of other text


class Piece(NamedTuple):
    """A person's address, a name, or an address that stands in other text."""

    kind: Kind
    text: str


@dataclass
class Cell:
    """What stands in a cell. `is_labelled`: words and a colon stand before an address of it.

    `names_people`: whether its addresses are people: nothing else stands there, or hardly anything.
    """

    text: str
    pieces: "list[Piece]" = field(default_factory=list)
    is_labelled: bool = False
    people: int = 0
    names_people: bool = False

    def __post_init__(self) -> None:
        self.people = len([piece for piece in self.pieces if piece.kind is Kind.PERSON])
        others = len(self.pieces) - self.people
        self.names_people = self.people > 0 and (
            not others or (self.people >= MANY and others * FEW <= self.people)
        )


def read_cell(text: str) -> Cell:
    """A cell cut into its pieces."""
    if "@" not in text:
        return Cell(text)
    if BARE.fullmatch(text):
        return Cell(text, [Piece(Kind.PERSON, text)])
    if sum(map(text.count, ",;\t\n")) > MAX_PARTS:
        return Cell(text, asides(text))
    pieces: list[Piece] = []
    names: list[str] = []  # before a comma: `DURAND` of `DURAND, Camille <a@b>`
    is_meant, is_labelled = True, False
    for part, ends in _parts(text):
        labels, inside = _labels(part) if ":" in part else (NO_LABELS, part)
        if labels:
            is_meant, is_labelled = all(map(names_people, labels)), True
        if "@" not in inside:
            if inside.strip():
                names.append(inside.strip())
            if ends != ",":
                pieces += _named(names)
                names = []
            continue
        addresses, is_bracketed = _addresses(inside) if is_meant else ([], False)
        pieces += _named(names[:-1] if is_bracketed else names)
        names = []
        # What it is told with is all that stands there.
        pieces += [Piece(Kind.PERSON, each) for each in addresses] or asides(part)
    return Cell(text, pieces + _named(names), is_labelled)


def _labels(part: str) -> "tuple[list[str], str]":
    """`To`, `Team` and `a@b` of `To: Team: a@b`. They hold for what follows in the cell, until there are others."""
    labels = []
    while (found := LABEL.match(part)) and f"{found.group(1)}:".lower() != MAILTO:
        labels.append(found.group(1))
        part = part[found.end() :]
        if len(labels) > MAX_LABELS:
            break
    return labels, part


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
    if not WRAPPED.intersection(text):
        cut = [*SIGNS.split(text), ""]
        return list(zip(cut[::2], cut[1::2], strict=True))
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
    words = []
    for word in LIST_MARK.sub("", part, count=1).split():
        words.append(_bare(word))
        if not words[-1]:
            return [], False
    return words, False


NOT_IN_A_NAME = frozenset("@<>:")


def _bare(word: str) -> str:
    """An address without what it is often wrapped in; "" for anything else."""
    if "@" not in word or BARE.fullmatch(word):
        return word if "@" in word else ""
    for mark in "\"'":
        if len(word) > 1 and word[0] == word[-1] == mark:
            word = word[1:-1].strip()
    word = _without_scheme(word)
    before, at, after = word.partition("@")
    if not (before and at and after) or NOT_IN_AN_ADDRESS.intersection(word):
        return ""
    if "&" in after or ENTITY.search(before):
        return ""
    return word if len(word.split()) == 1 else ""


def _without_scheme(word: str) -> str:
    if word[: len(MAILTO)].lower() == MAILTO:
        return word[len(MAILTO) :].partition("?")[0]
    return word
