"""Names that cannot be told apart, and those that are merely alike."""

import pytest
from hypothesis import given, strategies as st

from domain_rules.look_alikes import Likeness, Name, find, is_one_letter_away, skeleton, skeletons
from identity.routing.confusables import table

PAIRS = [
    ("momas.fr", "mornas.fr"),
    ("xn--dfense-bva.gouv.fr", "defense.gouv.fr"),
    ("paypal.fr", "paypai.fr"),
    ("g0uv.fr", "gouv.fr"),
    ("xn--ypal-43d9g.fr", "paypal.fr"),  # the first two letters are Cyrillic
    ("xn--guv-9yc.fr", "gouv.fr"),  # a Greek o
    ("xn--80ak6aa92e.fr", "apple.fr"),  # all of them are Cyrillic
    ("xn--le-gpa.fr", "ile.fr"),  # an i without a dot
]


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_names_with_one_skeleton_cannot_be_told_apart(one, other):
    assert skeleton(one, table()) == skeleton(other, table())


def test_other_names_have_other_skeletons():
    names = ["ac-rouen.fr", "ac-caen.fr", "rouen.fr", "defense.gouv.fr", "interieur.gouv.fr"]
    assert len({skeleton(name, table()) for name in names}) == len(names)


@pytest.mark.parametrize(
    ("other", "likeness"),
    [
        ("ac-normandle.fr", Likeness.LOOKS),
        ("acnormandie.fr", Likeness.HYPHENS),
        ("ac-normandie.com", Likeness.ENDING),
        ("ac-normandies.fr", Likeness.LETTER),
        ("ac-caen.fr", None),
        ("ac-normandie.fr", None),
    ],
)
def test_the_strongest_likeness_counts(other, likeness):
    found = list(find(Name.of("ac-normandie.fr"), [Name.of(other)], table()))
    assert [each.likeness for each in found] == ([likeness] if likeness else [])


def test_short_names_are_no_letter_away_from_anything():
    assert list(find(Name.of("caen.fr"), [Name.of("caens.fr")], table())) == []


@pytest.mark.parametrize(
    ("one", "other", "is_near"),
    [
        ("rouen", "ruoen", True),
        ("rouen", "rouan", True),
        ("rouen", "rouenn", True),
        ("rouen", "roue", True),
        ("rouen", "rouen", False),
        ("rouen", "ruona", False),
        ("rouen", "caen", False),
    ],
)
def test_one_letter_away(one, other, is_near):
    assert is_one_letter_away(one, other) is is_near
    assert is_one_letter_away(other, one) is is_near


@given(st.lists(st.sampled_from([name for pair in PAIRS for name in pair] + ["x", "a.b.c"])))
def test_many_skeletons_are_those_of_each(names):
    assert skeletons(names, table()) == [skeleton(name, table()) for name in names]
