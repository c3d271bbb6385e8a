"""Moments in words, as people in Paris read them."""

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from babel.dates import format_datetime

from identity.translations import texts

PARIS: Final = ZoneInfo("Europe/Paris")
NO_BREAK: Final = "\u00a0"
DAY: Final = "EEEE d MMMM"
DAY_OF_A_YEAR: Final = "d MMMM y"
CLOCK: Final = {"fr": "H 'h' mm", "en": "HH:mm"}


def in_words(moment: datetime, language: str) -> str:
    """`mardi 14 mars à 16 h 30 (heure de Paris)`."""
    return _say("mail.date", moment, language)


def day(moment: datetime, language: str) -> str:
    """`mardi 14 mars`, in the year that is meant anyway."""
    return _written(moment, DAY, language)


def day_of_a_year(moment: datetime, language: str) -> str:
    """`14 mars 2028`."""
    return _written(moment, DAY_OF_A_YEAR, language)


def until(moment: datetime, since: datetime, language: str) -> str:
    """The end of what began at `since`: its clock alone on the same day. Begins with "until"."""
    same_day = moment.astimezone(PARIS).date() == since.astimezone(PARIS).date()
    return _say("mail.until_clock" if same_day else "mail.until_date", moment, language)


def _say(text_id: str, moment: datetime, language: str) -> str:
    text = texts(language).gettext(text_id)
    return text.format(day=day(moment, language), clock=clock(moment, language))


def clock(moment: datetime, language: str) -> str:
    """`16 h 30`, kept on one line."""
    return _written(moment, CLOCK[language], language)


def _written(moment: datetime, pattern: str, language: str) -> str:
    return format_datetime(moment, pattern, tzinfo=PARIS, locale=language).replace(" ", NO_BREAK)
