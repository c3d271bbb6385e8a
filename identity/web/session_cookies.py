"""The cookies that hold the tokens of people's sessions: one for each part of the service they are signed in to."""

from urllib.parse import urlsplit

from flask import Response, request

from . import devices
from .request_context import services

MAX_TOKEN = 100  # characters


def token(purpose: str) -> str | None:
    """What this browser shows for a purpose, if it can be one of ours."""
    value = request.cookies.get(_name(purpose))
    return value if value and len(value) <= MAX_TOKEN else None


def give(response: Response, purpose: str, token: str) -> Response:
    """Let the browser show this token until it is closed; when the session ends is ours to say."""
    response.set_cookie(
        _name(purpose), token, secure=_is_secure(), httponly=True, samesite="Lax", path="/"
    )
    return response


def take(response: Response, purpose: str) -> Response:
    """Let the browser forget it."""
    response.delete_cookie(
        _name(purpose), secure=_is_secure(), httponly=True, samesite="Lax", path="/"
    )
    return response


def device() -> str:
    """The family of the browser that asks, as the person knows it; "" if it says nothing of itself."""
    return devices.family(request.user_agent.string)


def _name(purpose: str) -> str:
    """`__Host-` needs TLS, which the service at home does not have."""
    return f"__Host-{purpose}" if _is_secure() else f"guichet-{purpose}"


def _is_secure() -> bool:
    return urlsplit(services.settings.public_url).scheme == "https"
