"""Cookies with the session tokens of signed-in people, one for each purpose."""

from flask import Response, request

from .request_context import is_https

MAX_TOKEN = 100  # characters


def read_token(purpose: str) -> str | None:
    """The token for a purpose in the request's cookie; None without one, or if it is too long."""
    value = request.cookies.get(_name(purpose))
    return value if value and len(value) <= MAX_TOKEN else None


def set_token(response: Response, purpose: str, token: str) -> Response:
    """Set the cookie, until the browser is closed. The end of the session is in the database."""
    response.set_cookie(
        _name(purpose), token, secure=is_https(), httponly=True, samesite="Lax", path="/"
    )
    return response


def delete_token(response: Response, purpose: str) -> Response:
    """Delete the cookie."""
    response.delete_cookie(
        _name(purpose), secure=is_https(), httponly=True, samesite="Lax", path="/"
    )
    return response


def _name(purpose: str) -> str:
    """The name of the cookie. `__Host-` needs TLS, which a local service does not have."""
    return f"__Host-{purpose}" if is_https() else f"guichet-{purpose}"
