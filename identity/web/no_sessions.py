"""Programs have no session: nothing is read from their cookies, and none is set."""

from flask import Flask, Request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface

from .api_errors import is_for_programs


class SessionsOfPeople(SecureCookieSessionInterface):
    """Signs the sessions of browsers; does not even begin one for a program."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """A session that refuses to be written to, where a program asks."""
        if is_for_programs(request.path):
            return self.make_null_session(app)
        return super().open_session(app, request)
