"""Keyboards on which fingers walk: those that zxcvbn knows, and the French one."""

from collections.abc import Iterator, Mapping, Sequence

from zxcvbn import matching

# Key beside key, as the two characters of each (alone, with shift). Every row begins a little to the
# right of the one above; the first key of the last row stands left of the column of `a` and `q`.
AZERTY = (
    "²² &1 é2 \"3 '4 (5 -6 è7 _8 ç9 à0 )° =+",
    "   aA zZ eE rR tT yY uU iI oO pP ^¨ $£",
    "   qQ sS dD fF gG hH jJ kK lL mM ù% *µ",
    "<> wW xX cC vV bB nN ,? ;. :/ !§",
)
# The same neighbours, in the same order, as in zxcvbn's graphs: (row, column) from the left around. The key
# itself too: "1&2é" is each key with and without shift.
AROUND = ((0, -1), (-1, 0), (-1, 1), (0, 1), (1, 0), (1, -1), (0, 0))

LEAST_INTERLACED = 8  # characters, four keys of each walk: fewer are found by chance

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
    """Where two walks take turns, as in "a1z2e3": start and end of each stretch."""
    for graph in (GRAPHS["azerty"], GRAPHS["qwerty"]):
        start = 0
        for at in range(2, len(text) + 1):
            if at == len(text) or not _are_neighbours(graph, text[at - 2], text[at]):
                if at - start >= LEAST_INTERLACED:
                    yield start, at
                start = at - 1


def _are_neighbours(graph: Graph, one: str, other: str) -> bool:
    return one != other and any(key and other in key for key in graph.get(one, ()))
