"""What a view may reach for: the services of its application, and who is calling."""

import logging
from typing import cast

from flask import current_app, request
from werkzeug.local import LocalProxy

from identity.networks import caller
from identity.services import Services

EXTENSION = "guichet"
PROXY_HEADERS = {"x-forwarded-for", "forwarded"}

log = logging.getLogger(__name__)

services = cast("Services", LocalProxy(lambda: current_app.extensions[EXTENSION]))


def client_ip() -> str:
    """The caller's IP address; the word under which callers without one are counted where it is not known."""
    believed = services.settings.proxy_header
    (other,) = PROXY_HEADERS - {believed}
    found = caller(
        request.remote_addr or "",
        request.headers.getlist(believed),
        services.settings.trusted_proxies,
        header=believed,
        has_other_header=other in request.headers,
    )
    if found.fault and services.limits.is_news(found.fault):
        log.warning("who is calling: %s (counted as %s)", found.fault, found.name)
    return found.name
