"""Moments in words."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from identity.core.dates import Dates

WINTER = datetime(2027, 3, 2, 15, 30, tzinfo=UTC)
SUMMER = datetime(2027, 7, 1, 7, 5, tzinfo=UTC)


def dates(language, zone="Europe/Paris"):
    return Dates(ZoneInfo(zone), language)


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
    assert dates(language).in_words(moment).replace("\u00a0", " ") == words


def test_a_clock_time_is_not_torn_apart():
    assert "16\u00a0h\u00a030" in dates("fr").in_words(WINTER)


def test_the_day_is_named_when_it_is_another_one_in_paris():
    late = datetime(2027, 3, 2, 22, 30, tzinfo=UTC)  # 23:30 in Paris
    assert dates("en").until(late, WINTER) == "until 23:30 (Paris time)"
    midnight = late + timedelta(minutes=30)
    assert dates("en").until(midnight, WINTER).startswith("until Wednesday")


@pytest.mark.parametrize(
    ("zone", "language", "words"),
    [
        ("America/Martinique", "fr", "mardi 2 mars à 11 h 30 (heure de Martinique)"),
        ("America/Martinique", "en", "Tuesday 2 March at 11:30 (Martinique time)"),
        ("Europe/Berlin", "en", "Tuesday 2 March at 16:30 (Berlin time)"),
    ],
)
def test_another_time_zone_is_named_by_its_city(zone, language, words):
    assert dates(language, zone).in_words(WINTER).replace("\u00a0", " ") == words


def test_the_clock_alone_says_today_and_the_day_comes_with_it_on_any_other():
    english = dates("en")
    said = english.clock_or_date(WINTER, now=WINTER - timedelta(hours=1)).replace("\u00a0", " ")
    assert said == "16:30 (Paris time)"
    other = english.clock_or_date(WINTER, now=WINTER - timedelta(days=1)).replace("\u00a0", " ")
    assert other == "16:30 on Tuesday 2 March (Paris time)"
