"""create_app(wiring): blueprints, sessions, headers; nothing else."""

from typing import Literal
from urllib.parse import urlsplit

from flask import Flask, Request
from werkzeug.routing import IntegerConverter, Map, MapAdapter

from . import http, pages
from .context import EXTENSION
from .wiring import Wiring

MOST_NUMBER = 2**31 - 1  # in a path: what a column of the database holds
MOST_BODY = 1_000_000  # bytes of a request


class Site(Flask):
    """Knows its own address from the settings, whatever the Host header of a request says."""

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Redirections and absolute URLs of the framework begin with the public URL."""
        adapter = super().create_url_adapter(request)
        if request is not None and adapter is not None:
            own = urlsplit(self.extensions[EXTENSION].settings.public_url)
            adapter.url_scheme, adapter.server_name = own.scheme, own.netloc
            adapter.path_info = adapter.path_info or "/"
        return adapter


class Number(IntegerConverter):
    """A number in a path; a longer one leads nowhere."""

    def __init__(self, urls: Map) -> None:
        super().__init__(urls, max=MOST_NUMBER)


def create_app(wiring: Wiring, *, listener: Literal["public", "internal"] = "public") -> Flask:
    """The web application. The internal listener answers homeservers without a credential, and has no pages."""
    app = Site("identity", static_folder=None, template_folder=None)
    app.extensions[EXTENSION] = wiring
    secret, fallbacks = wiring.tokens.session_keys()
    at_https = wiring.settings.public_url.startswith("https://")
    app.config.update(
        LISTENER=listener,
        SECRET_KEY=secret,
        SECRET_KEY_FALLBACKS=fallbacks,
        SESSION_COOKIE_NAME="__Host-session" if at_https else "session",
        SESSION_COOKIE_SECURE=at_https,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        MAX_CONTENT_LENGTH=MOST_BODY,
        MAX_FORM_MEMORY_SIZE=MOST_BODY,
    )
    app.url_map.merge_slashes = False  # no redirection for a slash too many
    app.url_map.converters["int"] = Number
    http.register(app)
    if listener == "public":
        pages.register(app)
    return app
