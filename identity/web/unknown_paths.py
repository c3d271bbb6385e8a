"""Paths that lead nowhere: people get a page with ways on, programs the error of their interface."""

import posixpath
import re
from http import HTTPStatus
from urllib.parse import quote

from flask import Response, abort, make_response, redirect, request
from werkzeug.routing import BaseConverter

from .site import blueprint

MAILED_LINK = re.compile(r"/[virdn]/[^/]")
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


class PagePath(BaseConverter):
    """Any path but those below which programs are answered."""

    regex = r"(?!(?:_matrix|api|healthz|readyz)(?:/|$))(?s:.+)"
    part_isolating = False


class MailedToken(BaseConverter):
    """The token of a mailed link, with whatever a mail program left behind it: Tokens.read_link cuts that off."""

    regex = r"[^/](?s:.*)"
    part_isolating = False


@blueprint.route("/<page_path:_path>", methods=METHODS)
def unknown_path(_path: str) -> Response:
    """Every rule that names its path comes before this one.

    A mailed link that some program on the way wrote with more slashes or dots leads to its page all the same.
    """
    path = posixpath.normpath(request.path)
    if request.method != "GET" or path == request.path or not MAILED_LINK.match(path):
        abort(404)
    return make_response(redirect(quote(path), HTTPStatus.SEE_OTHER))
