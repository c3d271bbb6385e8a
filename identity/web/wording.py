"""Texts and dates for pages, in the language of the page."""

from datetime import datetime
from typing import Any

from markupsafe import Markup, escape

from identity.core.dates import Dates
from identity.translations import texts

from .languages import language
from .request_context import services


def text(text_id: str, **values: Any) -> Markup:
    """The text with this id, with escaped values for each {name} in it."""
    return _fill(texts(language()).gettext(text_id), values)


def counted(text_id: str, n: int, **values: Any) -> Markup:
    """The text in the singular or plural; {n} is the number."""
    return _fill(texts(language()).ngettext(text_id, text_id, n), {"n": n, **values})


def clock(moment: datetime) -> str:
    """A clock time after "à" or "at", with the day unless it is today."""
    return _dates().clock_or_date(moment, now=services.now())


def date(moment: datetime) -> str:
    """A day and a clock time after "le" or "on"."""
    return _dates().in_words(moment)


def day(moment: datetime) -> str:
    """A day that may be in another year."""
    return _dates().day_of_a_year(moment)


def _dates() -> Dates:
    return Dates(services.settings.time_zone, language())


def _fill(found: str, values: dict[str, Any]) -> Markup:
    # Markup.format escapes what is not markup already.
    return Markup(escape(found)).format(service=services.settings.service_name, **values)  # noqa: S704  escaped here
