"""Paths that lead nowhere: people get a page with ways on, programs the error of their interface."""

from flask import Response, abort
from werkzeug.routing import BaseConverter

from .site import blueprint

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


class PagePath(BaseConverter):
    """Any path but those below which programs are answered."""

    regex = r"(?!(?:_matrix|api|healthz|readyz)(?:/|$)).+"
    part_isolating = False


@blueprint.route("/<page_path:_path>", methods=METHODS)
def unknown_path(_path: str) -> Response:
    """Every rule that names its path comes before this one."""
    abort(404)
