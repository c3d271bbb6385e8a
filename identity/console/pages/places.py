"""Paths of other screens: a link is shown only where that screen is part of this version."""

from http import HTTPStatus
from urllib.parse import urlsplit

from flask import Response, current_app, make_response, redirect
from werkzeug.routing import MapAdapter

from identity.web.wording import chosen_language


def is_there(path: str) -> bool:
    """Whether a screen answers at this path, with or without a query."""
    adapter: MapAdapter = current_app.url_map.bind("localhost")
    parts = urlsplit(path)
    if not adapter.test(parts.path, method="GET"):
        return False
    endpoint, _ = adapter.match(parts.path, method="GET")
    return str(endpoint).startswith("console.")


def in_language(path: str) -> str:
    """The path, with the language if one was chosen."""
    picked = chosen_language()
    if picked is None:
        return path
    return f"{path}{'&' if '?' in path else '?'}lang={picked}"


def go_to_path(path: str) -> Response:
    """Redirect there after a form (303)."""
    return make_response(redirect(in_language(path), HTTPStatus.SEE_OTHER))
