"""Keyboard layouts for finding walks from key to key: those of zxcvbn, and the French AZERTY."""

from collections.abc import Iterator, Mapping, Sequence

from zxcvbn import matching

# The two characters of each key, without and with shift. Every row begins a little to the right of
# the one above; the first key of the last row is to the left of the column of `a` and `q`.
AZERTY = (
    "²² &1 é2 \"3 '4 (5 -6 è7 _8 ç9 à0 )° =+",
    "   aA zZ eE rR tT yY uU iI oO pP ^¨ $£",
    "   qQ sS dD fF gG hH jJ kK lL mM ù% *µ",
    "<> wW xX cC vV bB nN ,? ;. :/ !§",
)
# The neighbours in the order of zxcvbn's graphs: (row, column), clockwise from the left. The key
# itself too: "1&2é" is each key with and without shift.
AROUND = ((0, -1), (-1, 0), (-1, 1), (0, 1), (1, 0), (1, -1), (0, 0))

MIN_INTERLACED = 8  # characters, four keys of each walk: fewer are found by chance

Graph = Mapping[str, Sequence[str | None]]


def _graph(rows: Sequence[str]) -> Graph:
    keys = {
        (row, column): text[3 * column : 3 * column + 2]
        for row, text in enumerate(rows)
        for column in range((len(text) + 1) // 3)
        if text[3 * column] != " "
    }
    return {
        letter: [keys.get((row + down, column + right)) for down, right in AROUND]
        for (row, column), key in keys.items()
        for letter in key
    }


GRAPHS: dict[str, Graph] = {**matching.GRAPHS, "azerty": _graph(AZERTY)}


def interlaced(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each stretch in which two walks alternate, as in "a1z2e3"."""
    for graph in (GRAPHS["azerty"], GRAPHS["qwerty"]):
        start = 0
        for at in range(2, len(text) + 1):
            if at == len(text) or not _are_neighbours(graph, text[at - 2], text[at]):
                if at - start >= MIN_INTERLACED:
                    yield start, at
                start = at - 1


def _are_neighbours(graph: Graph, one: str, other: str) -> bool:
    return one != other and any(key and other in key for key in graph.get(one, ()))
