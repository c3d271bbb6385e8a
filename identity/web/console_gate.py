"""From where the console and its API answer: nowhere if off, else from the networks of the settings."""

from http import HTTPStatus

from flask import abort, request

from identity.networks import is_in, read_host_name
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


def is_on_this_machine() -> bool:
    """Whether the public URL, that of the console, and the Host header all name this machine.

    Only then does the operator of a trial installation come in, who has no second factor. A page of
    another site that resolves its own name to this machine does not get here, nor does a proxy that
    passes on the name it is known by.
    """
    host = read_host_name(request.headers.get("Host"))
    return services.settings.is_local and is_loopback(host)
