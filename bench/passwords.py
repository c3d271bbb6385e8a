"""Measures the time to judge a password, against plain zxcvbn on the same password."""

import importlib
from collections.abc import Iterator
from functools import partial

from zxcvbn import frequency_lists, matching, zxcvbn

from identity.registration.passwords import judge
from identity.registration.passwords.words import ranks

from .rows import Row, in_turn, seconds_each

CALLS = 20
ABOUT = ("Camille Durand", "camille.durand@ac-rouen.example", "Éducation nationale, Rouen")
PASSWORDS = {
    "of four words": "cheval-lampe-tiroir-violet",
    "made by a manager": "x7#Kq9!vTz2&LmW4pR8s",
    "that looks decorated": "Pr1nt3mp$-M4rs31ll3-2026!!",
    "of 72 letters": "4z3rty" * 12,
}


def measure() -> Iterator[Row]:
    """Run the suite."""
    ranks()  # loaded once in each process, before the first password
    # guesses.py has emptied them.
    matching.add_frequency_lists(importlib.reload(frequency_lists).FREQUENCY_LISTS)
    for what, password in PASSWORDS.items():
        taken = in_turn(
            {
                "ours": partial(seconds_each, partial(judge, password, about=ABOUT), CALLS),
                "zxcvbn": partial(seconds_each, partial(zxcvbn, password, ABOUT), CALLS),
            }
        )
        told = ", ".join(f"{name}: {value * 1e3:.1f} ms" for name, value in taken.items())
        yield Row(
            f"judging a password {what}, to plain zxcvbn",
            taken["ours"] / taken["zxcvbn"],
            "x",
            at_most=3,
            detail=told,
        )
