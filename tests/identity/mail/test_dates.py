"""Moments in words."""

from datetime import UTC, datetime, timedelta

import pytest

from identity.core.dates import in_words, until

WINTER = datetime(2027, 3, 2, 15, 30, tzinfo=UTC)
SUMMER = datetime(2027, 7, 1, 7, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "language", "words"),
    [
        (WINTER, "fr", "mardi 2 mars à 16 h 30 (heure de Paris)"),
        (WINTER, "en", "Tuesday 2 March at 16:30 (Paris time)"),
        (SUMMER, "fr", "jeudi 1 juillet à 9 h 05 (heure de Paris)"),
        (SUMMER, "en", "Thursday 1 July at 09:05 (Paris time)"),
    ],
)
def test_a_moment_is_told_as_in_paris(moment, language, words):
    assert in_words(moment, language).replace("\u00a0", " ") == words


def test_a_clock_time_is_not_torn_apart():
    assert "16\u00a0h\u00a030" in in_words(WINTER, "fr")


def test_the_day_is_named_when_it_is_another_one_in_paris():
    late = datetime(2027, 3, 2, 22, 30, tzinfo=UTC)  # 23:30 in Paris
    assert until(late, WINTER, "en") == "until 23:30 (Paris time)"
    midnight = late + timedelta(minutes=30)
    assert until(midnight, WINTER, "en").startswith("until Wednesday")
