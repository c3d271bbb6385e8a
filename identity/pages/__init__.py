"""HTML for people: sign-up, the pages behind mailed links, "which server am I on?", help."""

from flask import Flask

from . import (
    account,
    check,
    client_link,
    dev_mail,
    information,
    invitation,
    links,
    list_sessions,
    list_sign_in,
    lists,
    my_server,
    opt_out,
    sign_up,
    site,
    unknown,
)

__all__ = [
    "account",
    "check",
    "client_link",
    "dev_mail",
    "information",
    "invitation",
    "links",
    "list_sessions",
    "list_sign_in",
    "lists",
    "my_server",
    "opt_out",
    "register",
    "sign_up",
    "unknown",
]


def register(app: Flask) -> None:
    """The pages; they also answer every path that nobody else knows and no program would ask for."""
    app.url_map.converters["page_path"] = unknown.PagePath
    app.url_map.converters["mailed"] = unknown.MailedToken
    app.register_blueprint(site.blueprint)
