"""Security and cache headers of the pages."""

import hashlib
from functools import cache
from pathlib import Path

from flask import Blueprint, Response, request

from .request_context import is_https

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# A mail shown as HTML has its own style; everything else is blocked.
MAIL_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; "
    "base-uri 'none'; frame-ancestors 'none'; sandbox allow-popups allow-popups-to-escape-sandbox"
)
ALWAYS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": (
        "accelerometer=(), camera=(), display-capture=(), fullscreen=(), geolocation=(), "
        "gyroscope=(), magnetometer=(), microphone=(), midi=(), payment=(), usb=()"
    ),
}
HSTS = "max-age=31536000; includeSubDomains"
# Pages without personal data, which search engines may list.
PUBLIC = {f"pages.{name}" for name in ("home", "help_page", "accessibility", "legal", "my_server")}


def protect(response: Response) -> Response:
    """Add the headers that an answer does not have yet. For `after_request`."""
    for name, value in ALWAYS.items():
        response.headers.setdefault(name, value)
    if is_https():
        response.headers.setdefault("Strict-Transport-Security", HSTS)
    if response.mimetype == "text/html":
        response.headers.setdefault("Cache-Control", "no-store")
        response.vary.add("Accept-Language")
        if request.endpoint not in PUBLIC:
            response.headers.setdefault("X-Robots-Tag", "noindex")
    return response


@cache
def fingerprint(blueprint: Blueprint) -> str:
    """A hash of the style sheet for its URL, so that browsers may cache it for ever."""
    folder = Path(blueprint.static_folder or "")
    return hashlib.sha256((folder / "guichet.css").read_bytes()).hexdigest()[:12]
