"""HTML for people: sign-up, the pages behind mailed links, "which server am I on?", help."""

from flask import Flask

from . import account, check, dev_mail, information, links, my_server, sign_up, site

__all__ = [
    "account",
    "check",
    "dev_mail",
    "information",
    "links",
    "my_server",
    "register",
    "sign_up",
]


def register(app: Flask) -> None:
    """The pages, with what they say to an unknown path."""
    app.register_blueprint(site.blueprint)
