"""The shapes of regexes: what each means, and that what is not known is never guessed."""

import re

import pytest
from hypothesis import given, strategies as st

from domain_rules.info_yaml.probe_addresses import probe_addresses_of
from domain_rules.info_yaml.regex_shapes import MAX_PATTERN, Target, UnknownShape, recognise_pattern
from domain_rules.rule import RuleKind

D, S, A = RuleKind.DOMAIN, RuleKind.SUFFIX, RuleKind.ADDRESS


@pytest.mark.parametrize(
    ("pattern", "meant"),
    [
        (r".*@d\.fr", [(D, "d.fr")]),
        (r"^.*@d\.fr$", [(D, "d.fr")]),
        (r"[^@]+@d[.]fr", [(D, "d.fr")]),
        (r"(.*)@d\.fr", [(D, "d.fr")]),
        (r".*@(.*\.|)d\.fr", [(S, "d.fr")]),
        (r".*@(.*[.]|)d\.fr", [(S, "d.fr")]),
        (r".*@(|.*\.)d\.fr", [(S, "d.fr")]),
        (r".*@(.+\.)?d\.fr", [(S, "d.fr")]),
        (r".*@(?:[^@]+\.)?d\.fr", [(S, "d.fr")]),
        (r".*@([a-z0-9-]+\.)*d\.fr", [(S, "d.fr")]),
        (r".*@(a|b-c)\.d\.fr", [(D, "a.d.fr"), (D, "b-c.d.fr")]),
        (r".*@(.*\.|)(a|b)\.d\.fr", [(S, "a.d.fr"), (S, "b.d.fr")]),
        (r"(.*@a\.fr|.*@b\.fr)", [(D, "a.fr"), (D, "b.fr")]),
        (r".*@(a\.)?d\.fr", [(D, "a.d.fr"), (D, "d.fr")]),
        (r"ana\+tag@d\.fr", [(A, "ana+tag@d.fr")]),
        (r".*", [(RuleKind.DEFAULT, "")]),
        (r".*@.*", [(RuleKind.DEFAULT, "")]),
    ],
)
def test_a_known_shape_has_its_meaning(pattern, meant):
    assert [(target.kind, target.text) for target in recognise_pattern(pattern)] == meant


def test_dots_that_are_not_escaped_are_remembered():
    assert recognise_pattern(".*@ac-rouen.fr") == (Target(D, "ac-rouen.fr", (8,)),)
    assert recognise_pattern(r".*@(.*\.|)a.b\.fr") == (Target(S, "a.b.fr", (1,)),)
    assert recognise_pattern(r".*@(.*.|)a\.fr") == (Target(S, "a.fr", (), glued=True),)
    assert recognise_pattern("ana.x@a.fr") == (Target(A, "ana.x@a.fr", (3, 7)),)


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        (r".*@.*d\.fr", "every domain that ends with d.fr"),
        (r".*@.*\.d\.fr", "under d.fr and not d.fr itself"),
        (r".*@a\.fr|.*@b\.fr", "outside brackets"),
        (r"[a-z]+@d\.fr", "from [a-z]+@"),
        (r"(?i).*@d\.fr", "not known"),
        (r".*@d\.fr+", "write \\+"),
        (r".*@d\d\.fr", "not known"),
        (r".*@a.*b\.fr", "only before the whole domain"),
        (r"a.*@d\.fr", "before the @"),
        (r".*\.fr", "one @"),
        (r".*@(a\.fr", "never closed"),
        (r".*@a\.fr)", "never opened"),
        ("(" * 60, "too deep"),
        (r".*@" + "(a|b)" * 40 + r"\.fr", "more than"),
        ("a" * (MAX_PATTERN + 1), "longer than"),
        ("", "one @"),
    ],
)
def test_an_unknown_shape_is_refused_and_says_why(pattern, said):
    with pytest.raises(UnknownShape) as refused:
        recognise_pattern(pattern)
    assert said in str(refused.value)


@given(st.text(alphabet=r"ad.*@()|\?+[]^$-", max_size=40))
def test_a_pattern_takes_whatever_it_is_recognised_to_mean(pattern):
    try:
        targets = recognise_pattern(pattern)
    except UnknownShape:
        return
    takes = re.compile(pattern + "$").match
    for target in targets:
        assert takes(next(probe_addresses_of(target)))
        if target.kind is RuleKind.SUFFIX:
            assert takes(f"ana@sub.{target.text}")
