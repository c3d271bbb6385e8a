"""CSRF tokens: a form proves that it comes from our own page, opened in the same browser."""

import hmac
import secrets

from flask import current_app, request, session
from itsdangerous import BadSignature, URLSafeTimedSerializer

from .lenient_signer import LenientSigner

FIELD = "csrf_token"  # in the form, and in the session of the browser
LIFETIME = 12 * 3600  # seconds
SALT = "wtf-csrf-token"  # as before 0.1.0, so that a form open during an upgrade stays valid


def make_token() -> str:
    """The token for a form: a random value in the session of the browser, signed with the time."""
    secret = session.setdefault(FIELD, secrets.token_urlsafe(32))
    return str(_signer().dumps(secret))


def is_valid() -> bool:
    """Whether the form has a token that this browser got within the last 12 hours."""
    try:
        sent = _signer().loads(request.form.get(FIELD, ""), max_age=LIFETIME)
    except BadSignature:
        return False
    secret = session.get(FIELD)
    return isinstance(sent, str) and isinstance(secret, str) and hmac.compare_digest(sent, secret)


def _signer() -> URLSafeTimedSerializer:
    config = current_app.config
    # The last key signs, all verify.
    keys = [*config["SECRET_KEY_FALLBACKS"], config["SECRET_KEY"]]
    return URLSafeTimedSerializer(keys, salt=SALT, signer=LenientSigner)
