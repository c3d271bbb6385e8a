"""Security and CORS headers of the APIs."""

from flask import Response, current_app, request

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
    if not is_for_programs():
        return response
    wanted = ALWAYS | CROSS_ORIGIN if _is_for_browsers(request.path) else ALWAYS
    if is_https():
        wanted = wanted | HSTS
    # One pass over the existing headers instead of one for each: this is a tenth of /info's time.
    existing = {name.lower() for name in response.headers.keys()}  # noqa: SIM118  of Headers, which iterates pairs
    response.headers.extend(
        [(name, value) for name, value in wanted.items() if name.lower() not in existing]
    )
    return response


def _is_for_browsers(path: str) -> bool:
    if current_app.config["LISTENER"] == "internal":
        return False
    return path.startswith("/_matrix/") and not path.startswith(NEVER_CROSS_ORIGIN)
