"""Domains that look like another one: by Unicode's table of confusable letters, and by their spelling.

Names are compared as people read them, and only what an owner registered: `ac-rouen` and `fr` of
`mail.ac-rouen.fr`.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from domain_rules.display import letters_of
from domain_rules.enums import StrEnum

Table = Mapping[int, str]
"""Code point → the letters that it looks like, as `str.translate` takes it."""

LEAST_LETTERS = 8  # of a name; shorter ones are all one letter away from something


class Likeness(StrEnum):
    """In which way two names are alike, the strongest first."""

    LOOKS = "looks"  # they cannot be told apart at a glance: `momas`, `mornas`
    HYPHENS = "hyphens"  # the same but for hyphens
    ENDING = "ending"  # the same name below another public suffix
    LETTER = "letter"  # one letter differs


@dataclass(frozen=True, slots=True)
class Name:
    """A registrable domain (A-label), cut into what the owner chose and the public suffix."""

    label: str
    suffix: str

    @classmethod
    def of(cls, registrable: str) -> "Name":
        """Cut at the first dot: that is where a registrable domain has its public suffix."""
        label, _, suffix = registrable.partition(".")
        return cls(label, suffix)

    @property
    def domain(self) -> str:
        """The registrable domain."""
        return f"{self.label}.{self.suffix}" if self.suffix else self.label


@dataclass(frozen=True, slots=True)
class LookAlike:
    """Another registrable domain (A-label), and in which way it is alike."""

    domain: str
    likeness: Likeness


def read_table(text: str) -> dict[int, str]:
    """Read lines `source ; prototype` of code points in hexadecimal digits; # begins a comment."""
    table = {}
    for line in text.splitlines():
        fact = line.partition("#")[0].strip()
        if fact:
            source, prototype = fact.split(";")
            table[int(source, 16)] = "".join(chr(int(each, 16)) for each in prototype.split())
    return table


def skeleton(domain: str, table: Table) -> str:
    """The shape of a domain (A-label): two domains with one skeleton look the same.

    Accents are dropped, and `i` counts as `l`: both go beyond UTS 39. Letters count also where
    `display_domain` shows none, as of several scripts in one label: other programs show them.
    """
    return _shape_of(letters_of(domain), table)


def skeletons(domains: Iterable[str], table: Table) -> list[str]:
    """The shapes of many domains, one after the other: together, since one by one takes long."""
    letters = [letters_of(domain) for domain in domains]
    return _shape_of("\n".join(letters), table).split("\n") if letters else []


def _shape_of(letters: str, table: Table) -> str:
    """Letter by letter: what stands before and after one does not matter."""
    shape = _without_accents(letters).translate(table).casefold().translate(table)
    return _without_accents(shape).casefold().replace("i", "l")


def find(name: Name, others: Iterable[Name], table: Table) -> Iterator[LookAlike]:
    """Those of the others that are like this one, each with the strongest likeness."""
    shape, plain = skeleton(name.domain, table), name.label.replace("-", "")
    for other in others:
        if other == name:
            continue
        if skeleton(other.domain, table) == shape:
            yield LookAlike(other.domain, Likeness.LOOKS)
        elif other.suffix == name.suffix and other.label.replace("-", "") == plain:
            yield LookAlike(other.domain, Likeness.HYPHENS)
        elif other.label == name.label:
            yield LookAlike(other.domain, Likeness.ENDING)
        elif (
            other.suffix == name.suffix
            and min(len(other.label), len(name.label)) >= LEAST_LETTERS
            and is_one_letter_away(other.label, name.label)
        ):
            yield LookAlike(other.domain, Likeness.LETTER)


def is_one_letter_away(one: str, other: str) -> bool:
    """Whether one letter was added, left out or replaced, or two neighbours changed places."""
    if one == other or abs(len(one) - len(other)) > 1:
        return False
    begin = 0
    while begin < min(len(one), len(other)) and one[begin] == other[begin]:
        begin += 1
    rest, further = one[begin:], other[begin:]
    if len(rest) == len(further):
        swapped = rest[:2] == further[:2][::-1] and rest[2:] == further[2:]
        return rest[1:] == further[1:] or swapped
    longer, shorter = sorted((rest, further), key=len, reverse=True)
    return longer[1:] == shorter


def _without_accents(text: str) -> str:
    if text.isascii():
        return text
    decomposed = unicodedata.normalize("NFD", text)
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))
