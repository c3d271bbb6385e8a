"""Texts and dates as the pages show them, in the language of the answer."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_datetime
from markupsafe import Markup, escape

from identity.translations import texts

from .languages import language
from .request_context import services

ZONE = ZoneInfo("Europe/Paris")
NBSP = "\u00a0"
DAY = "EEEE d MMMM"
DAY_OF_A_YEAR = "d MMMM y"
CLOCK = {"fr": "H 'h' mm", "en": "HH:mm"}


def text(text_id: str, **values: Any) -> Markup:
    """The text under this id; every {name} in it is filled in, escaped."""
    return _fill(texts(language()).gettext(text_id), values)


def counted(text_id: str, n: int, **values: Any) -> Markup:
    """The text for one or for several: {n} is the number."""
    return _fill(texts(language()).ngettext(text_id, text_id, n), {"n": n, **values})


def clock(moment: datetime) -> str:
    """A clock time after "à" or "at", with the day unless it is today."""
    place = texts(language()).gettext("date.zone")
    hour = _hour(moment)
    if moment.astimezone(ZONE).date() == services.now().astimezone(ZONE).date():
        return f"{hour}{NBSP}{place}"
    link = texts(language()).gettext("date.on")
    return f"{hour} {link} {_day(moment)} {place}"


def date(moment: datetime) -> str:
    """A day and a clock time after "le" or "on"."""
    at, place = texts(language()).gettext("date.at"), texts(language()).gettext("date.zone")
    return f"{_day(moment)} {at} {_hour(moment)} {place}"


def day(moment: datetime) -> str:
    """A day that may be in another year."""
    return _written(moment, DAY_OF_A_YEAR)


def _hour(moment: datetime) -> str:
    return _written(moment, CLOCK[language()])


def _day(moment: datetime) -> str:
    return _written(moment, DAY)


def _written(moment: datetime, pattern: str) -> str:
    return format_datetime(moment, pattern, tzinfo=ZONE, locale=language()).replace(" ", NBSP)


def _fill(found: str, values: dict[str, Any]) -> Markup:
    # Markup.format escapes what is not markup already.
    return Markup(escape(found)).format(service=services.settings.service_name, **values)  # noqa: S704  escaped here
