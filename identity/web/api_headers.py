"""Headers of every answer to a program: nothing is kept or guessed, and clients in browsers may read it."""

from flask import Flask, Response, current_app, request

from .api_errors import is_for_programs
from .request_context import services

ALWAYS = {
    "Cache-Control": "no-store",  # rules change within a second, and an address is a person
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}
HSTS = {"Strict-Transport-Security": "max-age=31536000; includeSubDomains"}
# As the Matrix specification words them, for clients that run in a browser.
CROSS_ORIGIN = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, POST, PUT, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": "Origin, X-Requested-With, Content-Type, Accept, Authorization",
}
# Asked by homeservers only: a browser on their network shall not read it for a web page.
NEVER_CROSS_ORIGIN = (
    "/_matrix/identity/api/v1/internal-info",
    "/_matrix/identity/internal",
)


def register(app: Flask) -> None:
    app.after_request(protect)


def protect(response: Response) -> Response:
    """Add what is not there yet; what pages say about themselves is theirs."""
    if not is_for_programs():
        return response
    wanted = ALWAYS | CROSS_ORIGIN if _is_for_browsers(request.path) else ALWAYS
    if services.settings.public_url.startswith("https://"):
        wanted = wanted | HSTS
    # Once through what is there instead of once for each: this is a tenth of what /info costs.
    there = {name.lower() for name in response.headers.keys()}  # noqa: SIM118  of Headers, which iterates pairs
    response.headers.extend(
        [(name, value) for name, value in wanted.items() if name.lower() not in there]
    )
    return response


def _is_for_browsers(path: str) -> bool:
    if current_app.config["LISTENER"] == "internal":
        return False
    return path.startswith("/_matrix/") and not path.startswith(NEVER_CROSS_ORIGIN)
