"""Chooses the language of a page.

The order: `?lang=` in the URL, the language stored with the mail or request, the browser's, the
setting.
"""

from typing import Any
from urllib.parse import quote, urlencode

from flask import g, request

from identity.translations import LANGUAGES, choose_language

from .request_context import services


def language() -> str:
    """The language of this page, `fr` or `en`."""
    if "language" not in g:
        g.language = chosen_language() or choose_language(
            _accepted(), services.settings.default_locale
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
    """The URL of this page in another language."""
    arguments = {key: value for key, value in request.args.items() if key != "lang"}
    # One slash exactly: "//host/…" would be another site's address.
    return f"/{quote(request.path.lstrip('/'))}?{urlencode({**arguments, 'lang': other})}"


def _accepted() -> list[str]:
    return [tag for tag, quality in request.accept_languages if quality > 0]
