"""A machine whose clock is far off goes by the database's; a small difference changes nothing."""

from datetime import UTC, datetime, timedelta

import pytest

from identity.core.clock import TOLERANCE, ClockOffset, corrected

NOON = datetime(2027, 3, 14, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize("measured", [20 * SECOND, -60 * SECOND])
def test_a_large_difference_is_taken_off(measured):
    offset = ClockOffset()
    offset.correct(measured)
    assert corrected(lambda: NOON + measured, offset) == NOON
    assert offset.value == measured


@pytest.mark.parametrize(
    "measured", [timedelta(), TOLERANCE - SECOND / 10, SECOND / 10 - TOLERANCE]
)
def test_a_small_one_is_left_alone_so_that_time_does_not_jump(measured):
    offset = ClockOffset()
    offset.correct(measured)
    assert (corrected(lambda: NOON, offset), offset.value) == (NOON, measured)


def test_while_it_is_far_off_single_measurements_do_not_make_it_jump():
    offset = ClockOffset()
    offset.correct(20 * SECOND)
    offset.correct(20.3 * SECOND)
    assert (offset.applied, offset.value) == (20 * SECOND, 20.3 * SECOND)


def test_a_clock_that_was_set_right_is_believed_again():
    offset = ClockOffset()
    offset.correct(20 * SECOND)
    offset.correct(SECOND / 10)
    assert corrected(lambda: NOON, offset) == NOON
