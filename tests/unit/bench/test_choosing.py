import pytest

from bench.__main__ import ON_DEMAND, SUITES, choose, is_wanted

KNOWN = {"decisions": {"rows": [{"name": "memory of 1,000,000 rules"}]}}


def test_without_a_word_every_suite_runs_but_those_on_demand():
    assert choose([], {}) == [name for name in SUITES if name not in ON_DEMAND]


def test_what_takes_long_runs_only_when_it_is_named_whole():
    known = {"scale": {"rows": [{"name": "lookup of 1,000 hashes"}]}}
    assert "scale" not in choose(["lookup", "1,000"], KNOWN | known)
    assert choose(["scale"], known) == ["scale"]


def test_a_word_picks_every_suite_it_is_part_of_the_name_of():
    assert choose(["http"], {}) == [name for name in SUITES if name.startswith("http")]
    assert choose(["HASH_details", "mail"], {}) == ["http hash_details", "mail rates"]


def test_a_word_picks_the_suite_of_a_row_and_of_its_rows_this_one():
    word = "1,000,000 rules"
    assert choose([word], KNOWN) == ["decisions"]
    assert is_wanted([word], "decisions", "memory of 1,000,000 rules")
    assert not is_wanted([word], "decisions", "deciding by 300 rules")


def test_a_word_that_picks_nothing_ends_the_bench_with_the_names_of_suites():
    with pytest.raises(SystemExit, match=r"hash_detials.*http hash_details"):
        choose(["hash_detials"], KNOWN)
