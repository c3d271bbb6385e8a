"""What views know of the current request: the application's services and the caller's address."""

import logging
from typing import cast
from urllib.parse import urlsplit

from flask import Flask, current_app, request
from werkzeug.local import LocalProxy

from identity.networks import identify_caller
from identity.services import Services

EXTENSION = "guichet"
PROXY_HEADERS = {"x-forwarded-for", "forwarded"}

log = logging.getLogger(__name__)


def current_services() -> Services:
    """The services themselves, for who asks them for several things: a proxy costs each time."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001  of Werkzeug's LocalProxy
    found: Services = app.extensions[EXTENSION]
    return found


services = cast("Services", LocalProxy(current_services))


def is_https() -> bool:
    """Whether the public URL is https."""
    return urlsplit(services.settings.public_url).scheme == "https"


def client_ip() -> str:
    """The caller's IP address, or the name under which callers without one are counted.

    A trusted proxy that does not name the caller is reported in the log, once an hour.
    """
    ours, headers = current_services(), request.headers
    settings = ours.settings
    believed = settings.proxy_header
    (other,) = PROXY_HEADERS - {believed}
    found = identify_caller(
        request.remote_addr or "",
        headers.getlist(believed),
        settings.trusted_proxies,
        header=believed,
        has_other_header=other in headers,
    )
    if found.fault and ours.limits.is_news(found.fault):
        log.warning("who is calling: %s (counted as %s)", found.fault, found.name)
    return found.name
