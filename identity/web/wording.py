"""Texts and dates for pages, in the language of the page.

The language is, in this order: `?lang=` in the URL, the one stored with the mail or request, the
browser's, the setting.
"""

from datetime import datetime
from typing import Any, Final
from urllib.parse import quote, urlencode

from flask import current_app, g, request
from markupsafe import Markup, escape
from werkzeug.exceptions import HTTPException

from identity.core.dates import Dates
from identity.translations import LANGUAGES, MissingText, choose_language, texts

from .request_context import services

UNITS: Final = {"days": 86_400, "hours": 3_600, "minutes": 60, "seconds": 1}
"""Seconds of each."""
UNKNOWN: Final = "pages.unknown_path"
"""The view of all paths that have no page."""


def language() -> str:
    """The language of this page, `fr` or `en`."""
    if "language" not in g:
        accepted = [tag for tag, quality in request.accept_languages if quality > 0]
        g.language = chosen_language() or choose_language(
            accepted, services.settings.default_locale
        )
    found: str = g.language
    return found


def chosen_language() -> str | None:
    """The language chosen by the links FR | EN (`?lang=`), or None."""
    wanted = request.args.get("lang", "")
    return wanted if wanted in LANGUAGES else None


def prefer_language(stored: str) -> None:
    """Use this language, as of the mail a link came from, unless another was chosen."""
    if chosen_language() is None:
        g.language = choose_language([stored], language())


def keep_language_in_links(_endpoint: str, values: dict[str, Any]) -> None:
    """Keep the chosen language in all URLs. For `url_defaults`."""
    if picked := chosen_language():
        values.setdefault("lang", picked)


def same_page_in(other: str) -> str:
    """The URL of this page in another language; of the one above it, if this is the answer to a form."""
    arguments = {key: value for key, value in request.args.items() if key != "lang"}
    path = request.path if request.method in {"GET", "HEAD"} else _path_with_a_page()
    # One slash exactly: "//host/…" would be another site's address.
    return f"/{quote(path.lstrip('/'))}?{urlencode({**arguments, 'lang': other})}"


def _path_with_a_page() -> str:
    """This path if it can be opened, else the nearest above it: a form may have a path of its own."""
    adapter = current_app.create_url_adapter(request)
    path = request.path
    while adapter is not None and path.strip("/"):
        for each in (path, path + "/"):
            try:
                endpoint, _ = adapter.match(each, method="GET")
            except HTTPException:
                continue
            if endpoint != UNKNOWN and endpoint.rpartition(".")[0] == request.blueprint:
                return each
        path = path.rpartition("/")[0]
    return "/"


def text(text_id: str, **values: Any) -> Markup:
    """The text with this id, with escaped values for each {name} in it."""
    return _fill(texts(language()).gettext(text_id), values)


def has_text(text_id: str) -> bool:
    """Whether there is a text with this id, for what is named otherwise where there is none."""
    try:
        return bool(texts(language()).gettext(text_id))
    except MissingText:
        return False


def counted(text_id: str, n: int, **values: Any) -> Markup:
    """The text in the singular or plural; {n} is the number."""
    return _fill(texts(language()).ngettext(text_id, text_id, n), {"n": n, **values})


def clock(moment: datetime) -> str:
    """A clock time after "à" or "at", with the day unless it is today."""
    return _dates().clock_or_date(moment, now=services.now())


def ago(moment: datetime) -> Markup:
    """How long ago that was, in the largest unit of which it is at least two."""
    seconds = max(int((services.now() - moment).total_seconds()), 0)
    fitting = (unit for unit, length in UNITS.items() if seconds >= 2 * length)
    unit = next(fitting, "seconds")
    return counted(f"ago.{unit}", seconds // UNITS[unit])


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
    return escape(found).format(service=services.settings.service_name, **values)
