"""Pages that only tell: home, help, accessibility, legal notice."""

from flask import Response

from .rendering import page
from .site import blueprint


@blueprint.get("/")
def home() -> Response:
    """What this is, and where to begin."""
    return page("home")


@blueprint.get("/help")
def help_page() -> Response:
    """The questions people have, answered; and who to ask."""
    return page("help")


@blueprint.get("/accessibility")
def accessibility() -> Response:
    """What is done and what has not been judged yet."""
    return page("accessibility")


@blueprint.get("/legal")
def legal() -> Response:
    """Who runs this, which data and cookies there are."""
    return page("legal")
