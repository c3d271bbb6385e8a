"""Nobody disappears from a list and nobody is added: every address is a person, told, or counted in another column."""

import gc
import re
import sys
import time
from collections import Counter
from contextlib import suppress
from random import Random

import pytest

from domain_rules.bulk_invites.files import MAX_ADDRESSES, MAX_BYTES, UnreadableFile
from domain_rules.bulk_invites.reading import Reading, read_people

FILES = 1_500
ADDRESS = re.compile(r"p\d+@d\d\.example")
WORDS = [
    "Durand",
    "Léa",
    "12 rue",
    "voir",
    "remplace",
    "",
    "",
    "06 12",
    "=1+1",
    "x" * 90,
    "O'Neil",
    "Exclus",
    "désinscrit",
    "Chefs :",
]
HEADS = [
    "Nom",
    "Courriel",
    "Adresse mail",
    "Responsable",
    "Mél. pro",
    "Courriel perso",
    "Notes",
    "",
    "Qui valide ?",
]


class File:
    """A list made by chance: its text, and every address that was put into it."""

    def __init__(self, seed: int) -> None:
        self.by, self.planted = Random(seed), Counter()
        self.separator = self.by.choice(";,\t|")
        end = self.by.choice(["\n", "\r\n", "\r", "\x85", "\x0b"])
        lines = [self.line() for _ in range(self.by.randint(1, 12))]
        if self.by.random() < 0.5:
            lines.insert(0, self.separator.join(self.by.choices(HEADS, k=4)))
        if self.by.random() < 0.3:  # another table, or a title of its own
            at = self.by.randint(0, len(lines))
            names = self.by.choices(HEADS, k=self.by.choice([1, 3, 4]))
            lines[at:at] = ["", self.separator.join(names)][self.by.randint(0, 1) :]
        if self.by.random() < 0.2:
            lines.insert(0, f"sep={self.separator}")
        self.text = end.join(lines)

    def address(self) -> str:
        made = f"p{self.by.randint(1, 40)}@d{self.by.randint(1, 3)}.example"
        self.planted[made] += 1
        return made

    def cell(self) -> str:
        word, kind = self.by.choice(WORDS), self.by.random()
        if kind < 0.4:
            return word
        made = self.by.choice(
            [
                "{0}",
                "{0}",
                "{w} <{0}>",
                "<{0}>",
                "mailto:{0}",
                "'{0}'",
                '"{w}, {w}" <{0}>',
                "voir {0} svp",
                "{w} ({0})",
                "{0}; {1}",
                "{0}, {1}",
                "{0} {1}",
                "{0} / {1}",
                "{0}\n{w}",
                "{w} <{0}> {w}",
                "{w}|{0}",
                "À : {0}, {w} <{1}>",
                "Classe 3B: {0}, {1};",
                "Equipe: {0}, {1};",
            ]
        )
        names = {"w": word, **{n: self.address() for n in "01" if f"{{{n}}}" in made}}
        return re.sub(r"\{(\w)\}", lambda found: names[found[1]], made)

    def line(self) -> str:
        kind = self.by.random()
        if kind < 0.05:
            return ""
        cells = [self.quoted(self.cell()) for _ in range(self.by.choice([1, 1, 2, 3, 4, 6]))]
        return ("# " if kind < 0.1 else "") + self.separator.join(cells)

    def quoted(self, cell: str) -> str:
        if self.by.random() < 0.05:
            return f'"{cell}'  # nothing closes it
        if "\n" in cell or self.by.random() < 0.2:
            return '"{}"'.format(cell.replace('"', '""'))
        return cell


def check(made: File, reading: Reading) -> None:
    for column in reading.columns:
        told = Counter(each for row in column.rows for each in ADDRESS.findall(row.text))
        assert not told - made.planted, "nobody is added"
        assert told.total() + column.elsewhere == made.planted.total(), "nobody disappears"
        named = {row.text for row in column.rows if not row.aside and ADDRESS.search(row.text)}
        assert named <= made.planted.keys(), "a person is an address as it stands in the file"
    assert reading.chosen is None or reading.chosen in reading.columns


@pytest.mark.slow
@pytest.mark.parametrize("part", range(5))
def test_every_address_of_a_file_is_a_person_or_told_or_counted_in_another_column(part):
    chosen = 0
    for seed in range(part, FILES, 5):
        made = File(seed)
        if made.planted:
            reading = read_people(made.text.encode(("utf-8", "utf-16", "utf-8-sig")[seed % 3]))
            chosen += reading.chosen is not None
            check(made, reading)
    assert chosen > FILES / 20


@pytest.mark.slow
def test_whatever_stands_in_a_file_it_is_read_or_refused_by_name():
    by = Random(1)
    for _ in range(FILES):
        text = "".join(by.choices('ab@;,|\t\n\r"<> #:(=.é', k=by.randint(1, 60)))
        if "@" not in text:
            with pytest.raises(UnreadableFile):
                read_people(text.encode())
            continue
        for column in read_people(text.encode()).columns:
            texts = [row.text for row in column.rows]
            assert set("".join(texts)) <= {*text, *" ·…"}
            assert column.elsewhere or any("@" in each for each in texts)


HOSTILE = {
    "one long word": "a" * 10,
    "one long word with an @": "@aaaaaaaaa",
    "marks that nothing closes": '"x;a\n',
    "marks in a cell": '"x"y',
    "marks that are doubled": '"x""\n',
    "marks that close far below": ';"a',
    "brackets": "<" * 10,
    "brackets around words": "<a@<",
    "separators": ";" * 10,
    "commas and words": "x, ",
    "blanks": " " * 10,
    "blank lines": "\n" * 10,
    "a greeting": "to  :   ",
    "sentences": "voir Zoé et Gil, ",
    "comments": "#x\n#\n",
    "schemes": "mailto:",
    "quoted separators": '";',
    "quoted cells in lines": '"";"x";"";\n',
    "marks that are tripled": ';"""x\n',
    "every separator": ";,|\t\n",
    "labels": "x: ",
    "labels and commas": "x: y, ",
    "entities": "&amp;",
    "titles": "Exclus\n\n",
    "headers": "\nNom;Mail\n",
    "other headers": "\nMail;Nom\n;x\n\nNom;Mail\n",
}
# A sign in each line, or many in one: fewer are taken, since they are refused unread beyond a number.
OF_ADDRESSES = {
    "columns of addresses": "a@b.fr;c@d.fr;\n",
    "many columns of addresses": "a@b;" * 9 + "\n",
    "addresses between blanks": "a@b c@d\n",
    "one line between blanks": "a@b ",
    "one line of people": "a@b.fr; ",
    "names and brackets": '"x" <a@b>;"y, z" <c@d>,\tD|<e@f>\n',
    "addresses in text": "x (a@b) y, (c@d); (e@f) z\n",
    "groups": "x: a@b, c@d;\n",
    "items to add and to take off": "- a@b\n+ c@d\n",
    "two tables": "Nom;Mail\nD;c@x.fr\n\nX Mail;Nom\nc@x.fr;D\n\n",
}
ENDS = ("\nzoe@a.example", '"\nzoe@a.example', "> zoe@a.example\n")


def hostile(piece: str, end: str, size: int) -> bytes:
    """Whole pieces, of an even number: an odd mark of quotation would have the longer list cut in another way."""
    return (piece * (size // len(piece) // 4 * 4) + end).encode()


def of_addresses(piece: str, count: int) -> bytes:
    return (piece * (count // piece.count("@"))).encode()


def read_or_refused(raw: bytes) -> None:
    with suppress(UnreadableFile):
        read_people(raw)


@pytest.fixture(scope="module")
def nothing_is_read_for_the_first_time() -> None:
    """The first list that a process reads compiles patterns and loads codecs: steps that no other list takes."""
    for raw in (b"a@b.fr\n", b"a@b.fr;" * (MAX_ADDRESSES + 1)):
        read_or_refused(raw)


def steps(raw: bytes) -> int:
    """Calls and returns, of Python and of C, while a file is read.

    Not those of the collection of garbage, which begins at any moment, and in which Hypothesis and what other
    tests have left are called.
    """
    count = 0

    def one(*_event: object) -> None:
        nonlocal count
        count += 1

    gc.disable()
    sys.setprofile(one)
    try:
        read_or_refused(raw)
    finally:
        sys.setprofile(None)
        gc.enable()
    return count


def work(raw: bytes) -> float:
    """The least of three readings, in whatever the processor counts: compared with others only."""
    least = float("inf")
    for _ in range(3):
        begun = time.process_time_ns()
        read_or_refused(raw)
        least = min(least, time.process_time_ns() - begun)
    return max(least, 1_000_000)


@pytest.mark.usefixtures("nothing_is_read_for_the_first_time")
@pytest.mark.slow
@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("end", ENDS)
def test_a_list_twice_as_long_is_twice_the_steps(piece, end):
    small, large = (steps(hostile(piece, end, size)) for size in (5_000, 10_000))
    assert large <= 2.1 * small + 100


@pytest.mark.usefixtures("nothing_is_read_for_the_first_time")
@pytest.mark.slow
@pytest.mark.parametrize("piece", OF_ADDRESSES.values(), ids=OF_ADDRESSES)
def test_twice_as_many_addresses_are_twice_the_steps(piece):
    small, large = (steps(of_addresses(piece, count)) for count in (1_000, 2_000))
    assert large <= 2.1 * small + 100


@pytest.mark.usefixtures("nothing_is_read_for_the_first_time")
def test_more_addresses_than_a_list_may_hold_are_refused_before_any_is_read():
    few, many = (steps(b"a@b.fr;" * (MAX_ADDRESSES + more)) for more in (1, 60_000))
    assert few == many < 100


@pytest.mark.long
@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE)
def test_a_list_sixteen_times_as_long_is_nowhere_near_the_square_of_the_work(piece):
    """What a regex or a search does inside one step is not counted above: sixteen squared would be 256."""
    size = MAX_BYTES // 10
    small, large = (work(hostile(piece, ENDS[0], each)) for each in (size // 16, size))
    assert large < 64 * small
