"""Forms prove that they came from our own pages; a form left open too long loses nothing."""

import hmac
import secrets

from flask import current_app, request, session
from itsdangerous import BadSignature, URLSafeTimedSerializer

FIELD = "csrf_token"  # in the form, and in the session of the browser
LIFETIME = 12 * 3600  # seconds
SALT = "wtf-csrf-token"  # as before 0.1.0, so that a form which is open during an upgrade is still ours


def token() -> str:
    """The value for this browser's forms: what its session holds, signed with the time."""
    kept = session.setdefault(FIELD, secrets.token_urlsafe(32))
    return str(_signer().dumps(kept))


def is_ours() -> bool:
    """Whether the form that was sent is one we gave to this browser, not too long ago."""
    try:
        sent = _signer().loads(request.form.get(FIELD, ""), max_age=LIFETIME)
    except BadSignature:
        return False
    kept = session.get(FIELD)
    return isinstance(sent, str) and isinstance(kept, str) and hmac.compare_digest(sent, kept)


def _signer() -> URLSafeTimedSerializer:
    config = current_app.config
    # The newest key signs and stands last; a form that an older one signed is ours as well.
    keys = [*config["SECRET_KEY_FALLBACKS"], config["SECRET_KEY"]]
    return URLSafeTimedSerializer(keys, salt=SALT)
