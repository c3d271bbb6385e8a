"""Security and CORS headers of the APIs."""

from functools import cache

from flask import Response, current_app, request

from .answers import Answer
from .api_errors import is_for_programs
from .request_context import is_https

ALWAYS = {
    "Cache-Control": "no-store",  # rules change at any time, and addresses are personal data
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}
HSTS = {"Strict-Transport-Security": "max-age=31536000; includeSubDomains"}
# As the Matrix specification recommends ("Web Browser Clients"), for clients in a browser.
CROSS_ORIGIN = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, POST, PUT, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": "Origin, X-Requested-With, Content-Type, Accept, Authorization",
}
# For homeservers only: a web page open in their network must not read these.
NEVER_CROSS_ORIGIN = (
    "/_matrix/identity/api/v1/internal-info",
    "/_matrix/identity/internal",
)


def protect(response: Response) -> Response:
    """Add the headers that an answer of an API does not have yet; pages have their own."""
    path = request.path
    if is_for_programs(path) and isinstance(response, Answer):
        response.constants = _wanted(is_for_browsers=_is_for_browsers(path), at_https=is_https())
    return response


@cache
def _wanted(*, is_for_browsers: bool, at_https: bool) -> tuple[tuple[str, str], ...]:
    wanted = ALWAYS | (CROSS_ORIGIN if is_for_browsers else {}) | (HSTS if at_https else {})
    return tuple(wanted.items())


def _is_for_browsers(path: str) -> bool:
    if current_app.config["LISTENER"] == "internal":
        return False
    return path.startswith("/_matrix/") and not path.startswith(NEVER_CROSS_ORIGIN)
