"""The pages with information only: home, help, accessibility, legal notice."""

from flask import Response

from .rendering import render_page
from .site import blueprint


@blueprint.get("/")
def home() -> Response:
    """The home page: what this is and where to begin."""
    return render_page("home")


@blueprint.get("/help")
def help_page() -> Response:
    """Answers to frequent questions, and whom to ask."""
    return render_page("help")


@blueprint.get("/accessibility")
def accessibility() -> Response:
    """The accessibility statement."""
    return render_page("accessibility")


@blueprint.get("/legal")
def legal() -> Response:
    """The legal notice: who runs this, which data and cookies there are."""
    return render_page("legal")
