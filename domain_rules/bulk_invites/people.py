"""Reads one cell of a list, or a line as mail programs write it.

`DURAND, Camille <a@b>, "Martin, Jean" <c@d>`, `a@b; c@d`, `mailto:a@b`, `To: a@b, c@d`,
`Participants: a@b, c@d;` (groups of RFC 5322). Addresses in other text are reported and never taken
for a person, also those behind words and a colon that do not say that these are the people.
"""

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from domain_rules.enums import StrEnum

from .headers import names_people
from .records import BREAK

# What stands between quotation marks or angle brackets is kept together.
PIECES = re.compile(rf'"[^"]*"|<[^<>]*>|[;,\t]|{BREAK}')
SIGNS = re.compile(rf"([;,\t]|{BREAK})")
WRAPPED = frozenset('"<')
MAX_PARTS = 30_000  # of one cell
TOKEN_ENDS = re.compile(r'[\s<>()\[\]";,]+')
NOT_IN_AN_ADDRESS = frozenset('<>()[]"|;,:')
PUNCTUATION_AROUND = ".:!?'’«»…"  # belongs to a sentence, not to an address
# Most addresses are written like this: no further parsing needed.
BARE = re.compile(r"[^\s'\"<>()\[\]|;,:@&]+@[^\s'\"<>()\[\]|;,:@&]+")
LABEL = re.compile(r"\s*([^@:<>\"]{1,80}?)\s*:(?!\S*//)\s*")
MAX_LABELS = 3
NO_LABELS: list[str] = []
MAILTO = "mailto:"
# An HTML entity without its semicolon is no part of an address: `camille@a.example&gt`.
ENTITY = re.compile(r"&(?:[lg]t|amp|quot|apos|nbsp|#\d)", re.IGNORECASE)
# Before an item of a list: `- a@b`, `2) a@b`.
LIST_MARK = re.compile(
    r"(?:[-*\u2010-\u2015\u2022\u2023\u25aa\u25cf\u25e6\u00b7\uf0b7]|\d{1,4}[.)])\s+"
)
MIN_PEOPLE = 3  # with so many addresses a cell names people despite a few other things in it
PEOPLE_PER_EXCEPTION = 4  # one other thing is accepted for so many addresses


class PieceKind(StrEnum):
    """What a piece of a cell is."""

    PERSON = "person"
    NAME = "name"  # without an address
    ASIDE = "aside"  # an address in the middle of other text


class CellPiece(NamedTuple):
    """A person's address, a name, or an address inside other text."""

    kind: PieceKind
    text: str


@dataclass
class Cell:
    """The content of a cell. `is_labelled`: words and a colon stand before an address.

    `names_people`: its addresses are people's, since (almost) nothing else stands there.
    """

    text: str
    pieces: list[CellPiece] = field(default_factory=list)
    is_labelled: bool = False
    people: int = 0
    names_people: bool = False

    def __post_init__(self) -> None:
        self.people = len([piece for piece in self.pieces if piece.kind is PieceKind.PERSON])
        others = len(self.pieces) - self.people
        self.names_people = self.people > 0 and (
            not others
            or (self.people >= MIN_PEOPLE and others * PEOPLE_PER_EXCEPTION <= self.people)
        )


def read_cell(text: str) -> Cell:
    """A cell cut into its pieces."""
    if "@" not in text:
        return Cell(text)
    if BARE.fullmatch(text):
        return Cell(text, [CellPiece(PieceKind.PERSON, text)])
    if sum(map(text.count, ",;\t\n")) > MAX_PARTS:
        return Cell(text, find_asides(text))
    pieces: list[CellPiece] = []
    names: list[str] = []  # before a comma, as in `DURAND, Camille <a@b>`
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
        # Otherwise addresses are reported with everything that stands there.
        pieces += [CellPiece(PieceKind.PERSON, each) for each in addresses] or find_asides(part)
    return Cell(text, pieces + _named(names), is_labelled)


def _labels(part: str) -> tuple[list[str], str]:
    """The labels before an address (`To`, `Team` of `To: Team: a@b`) and the rest."""
    labels = []
    while (found := LABEL.match(part)) and f"{found.group(1)}:".lower() != MAILTO:
        labels.append(found.group(1))
        part = part[found.end() :]
        if len(labels) > MAX_LABELS:
            break
    return labels, part


def find_asides(text: str) -> list[CellPiece]:
    """Every word with an @ in a text that names nobody."""
    words = words_with_at(text)
    if not all(word.strip("@") for word in words):  # `camille @ a.example`
        return [CellPiece(PieceKind.ASIDE, text.strip())]
    return [
        CellPiece(PieceKind.ASIDE, _without_scheme(word).strip(PUNCTUATION_AROUND) or word)
        for word in words
    ]


def words_with_at(text: str) -> list[str]:
    """Words with an @, in their order."""
    return [word for word in TOKEN_ENDS.split(text) if "@" in word]


def extract_address(text: str) -> str:
    """The address in `Nom <a@b>` or `mailto:a@b?subject=…`; other texts are returned stripped."""
    pieces = read_cell(text).pieces
    if len(pieces) == 1 and pieces[0].kind is PieceKind.PERSON:
        return pieces[0].text
    return text.strip().strip("'\"").strip()


def is_address(text: str) -> bool:
    """Whether the text is an address and nothing else."""
    return _bare(text) == text != ""


def _parts(text: str) -> list[tuple[str, str]]:
    """The text cut between persons, each part with the separator that ends it."""
    if not WRAPPED.intersection(text):
        cut = [*SIGNS.split(text), ""]
        return list(zip(cut[::2], cut[1::2], strict=True))
    found, begins = [], 0
    for piece in PIECES.finditer(text):
        if piece.group()[0] not in '"<':
            found.append((text[begins : piece.start()], piece.group()))
            begins = piece.end()
    return [*found, (text[begins:], "")]


def _named(names: list[str]) -> list[CellPiece]:
    return [CellPiece(PieceKind.NAME, name) for name in names]


def _addresses(part: str) -> tuple[list[str], bool]:
    """The addresses of a part that holds nothing else, and whether a name stands before them."""
    part = part.strip()
    if part.endswith(">"):
        name, opens, inside = part[:-1].rpartition("<")
        address = _bare(inside.strip()) if opens else ""
        if not address or NOT_IN_A_NAME.intersection(name):
            # `a@b<mailto:a@b>`: some programs copy a link so; one person, twice.
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
    """An address without quotes or scheme around it; an empty text for anything else."""
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
