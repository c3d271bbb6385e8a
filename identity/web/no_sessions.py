"""Flask sessions for pages only: the APIs neither read nor set cookies."""

from flask import Flask, Request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface

from .api_errors import is_for_programs


class SessionsOfPeople(SecureCookieSessionInterface):
    """Flask's signed sessions for pages; none for APIs."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """A null session, which refuses to be written to, for the APIs."""
        if is_for_programs(request.path):
            return self.make_null_session(app)
        return super().open_session(app, request)
