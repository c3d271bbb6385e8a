"""The language of a page: ?lang= if it was chosen, else the request's own, else the browser's, else the setting."""

from typing import Any
from urllib.parse import quote, urlencode

from flask import g, request

from identity.translations import LANGUAGES, choose

from .request_context import services


def language() -> str:
    """The language this answer is written in."""
    if "language" not in g:
        g.language = chosen() or choose(_accepted(), services.settings.default_locale)
    found: str = g.language
    return found


def chosen() -> str | None:
    """The language picked by the FR | EN links, which every later URL carries on."""
    asked = request.args.get("lang", "")
    return asked if asked in LANGUAGES else None


def prefer(of_the_request: str) -> None:
    """A mailed link opens in the language of its mail, unless another was picked here."""
    if chosen() is None:
        g.language = choose([of_the_request], language())


def keep_language_in_links(_endpoint: str, values: dict[str, Any]) -> None:
    """For `url_defaults`: a language once chosen stays in every URL."""
    if picked := chosen():
        values.setdefault("lang", picked)


def same_page_in(other: str) -> str:
    """The URL of this page in another language."""
    arguments = {key: value for key, value in request.args.items() if key != "lang"}
    # One slash exactly: "//host/…" would be another site's address.
    return f"/{quote(request.path.lstrip('/'))}?{urlencode({**arguments, 'lang': other})}"


def _accepted() -> list[str]:
    return [tag for tag, quality in request.accept_languages if quality > 0]
