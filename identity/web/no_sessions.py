"""Flask sessions for pages only: the APIs neither read nor set cookies."""

from flask import Flask, Request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from itsdangerous import URLSafeTimedSerializer

from .api_errors import is_for_programs
from .lenient_signer import LenientSigner


class SessionsOfPeople(SecureCookieSessionInterface):
    """Flask's signed sessions for pages; none for APIs."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """A null session, which refuses to be written to, for the APIs."""
        if is_for_programs(request.path):
            return self.make_null_session(app)
        return super().open_session(app, request)

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        """Flask's, for cookies of nodes whose clocks differ."""
        serializer = super().get_signing_serializer(app)
        if serializer is not None:
            serializer.signer = LenientSigner
        return serializer
