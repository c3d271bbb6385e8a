"""Rows of loads, beside the same of an older checkout."""

from dataclasses import replace

import pytest

from bench.comparing import cpu_to, figures, growth, late_to_median, rate_to, time_to
from bench.load import Measured, medians
from bench.older import with_before
from bench.rows import Row

OLDER = Measured(100, 8, 2, 10, 50)
NOW = Measured(400, 1.5, 0.5, 4, 8, before=OLDER)
PEER = Measured(200, 4, 0, 5, 6)


def test_a_row_has_the_processor_time_of_now_and_of_before():
    (row,) = figures("lookup", {"of one": NOW})
    assert (row.name, row.value, row.before) == ("lookup, of one", 2, 10)
    assert "4.00 x what it was: 100/s" in row.detail


def test_without_an_older_checkout_there_is_no_before():
    (row,) = figures("lookup", {"Sydent": PEER})
    assert row.before is None
    assert rate_to("to Sydent", PEER, PEER).before is None


def test_ratios_to_a_peer_are_told_of_both():
    assert _both(rate_to("rate", NOW, PEER)) == (2, 0.5)
    assert _both(time_to("time", NOW, PEER, at_most=1.3)) == (0.5, 2)
    assert _both(cpu_to("CPU", PEER, NOW, at_least=1)) == (2, 0.4)
    assert _both(late_to_median("late", NOW, at_most=3)) == (2, 5)


def test_growth_compares_each_checkout_with_itself_by_processor_time():
    many = Measured(50, 2, 1, 9, 90, before=Measured(10, 15, 5, 9, 90))
    row = growth("a million", many, NOW)
    assert _both(row) == (1.5, 2)
    assert not row.is_reached


def test_medians_do_not_mix_what_is_now_with_what_was_before():
    runs = [NOW, replace(NOW, rate=300), replace(NOW, rate=500)]
    assert medians(runs) == replace(NOW, before=None)


def test_rows_of_a_suite_that_ran_twice_find_their_figures_by_name():
    rows = [Row("codes", 300, "/s"), Row("new", 1, "s")]
    assert [each.before for each in with_before(rows, {"codes": 113, "gone": 7})] == [113, None]


def _both(row: Row) -> tuple[float, float]:
    assert row.before is not None
    return pytest.approx(row.value), pytest.approx(row.before)
