"""Moments in words, as people in Paris read them."""

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from babel.dates import format_datetime

from identity.translations import texts

PARIS: Final = ZoneInfo("Europe/Paris")
NO_BREAK: Final = "\u00a0"
DAY: Final = "EEEE d MMMM"
CLOCK: Final = {"fr": "H 'h' mm", "en": "HH:mm"}


def in_words(moment: datetime, language: str) -> str:
    """`mardi 14 mars à 16 h 30 (heure de Paris)`."""
    return _say("mail.date", moment, language)


def until(moment: datetime, since: datetime, language: str) -> str:
    """The end of what began at `since`: its clock alone on the same day. Begins with "until"."""
    same_day = moment.astimezone(PARIS).date() == since.astimezone(PARIS).date()
    return _say("mail.until_clock" if same_day else "mail.until_date", moment, language)


def _say(text_id: str, moment: datetime, language: str) -> str:
    day = format_datetime(moment, DAY, tzinfo=PARIS, locale=language)
    text = texts(language).gettext(text_id)
    return text.format(day=day.replace(" ", NO_BREAK), clock=clock(moment, language))


def clock(moment: datetime, language: str) -> str:
    """`16 h 30`, kept on one line."""
    written = format_datetime(moment, CLOCK[language], tzinfo=PARIS, locale=language)
    return written.replace(" ", NO_BREAK)
