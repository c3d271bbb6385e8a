"""Forms prove that they came from our own pages; a form left open too long loses nothing.

Flask-WTF's automatic protection is not used: over https it wants a Referer, which our pages withhold.
"""

from flask import request
from flask_wtf.csrf import generate_csrf, validate_csrf
from wtforms import ValidationError

FIELD = "csrf_token"
LIFETIME = 12 * 3600  # seconds


def token() -> str:
    """The value for this browser's forms."""
    made: str = generate_csrf()
    return made


def is_ours() -> bool:
    """Whether the form that was sent is one we gave to this browser, not too long ago."""
    try:
        validate_csrf(request.form.get(FIELD), time_limit=LIFETIME)
    except ValidationError:
        return False
    return True
