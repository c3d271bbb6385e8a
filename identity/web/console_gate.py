"""From where the console and its API answer: nowhere if off, else from the networks of the settings."""

from http import HTTPStatus

from flask import abort

from identity.networks import is_in
from identity.settings import is_loopback

from .request_context import client_ip, services


def check_reachable() -> None:
    """Answer 404 where the console is switched off, or answers other networks only.

    A trial installation answers its own machine, if no networks are named.
    """
    settings = services.settings
    if settings.console == "off":
        abort(HTTPStatus.NOT_FOUND)
    if settings.console_networks:
        if not is_in(client_ip(), settings.console_networks):
            abort(HTTPStatus.NOT_FOUND)
    elif settings.is_embedded and not is_loopback(client_ip()):
        abort(HTTPStatus.NOT_FOUND)
