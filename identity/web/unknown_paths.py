"""Answers unknown paths outside the APIs with a 404 page, and repairs the paths of mailed links."""

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
    """Any path outside the APIs."""

    regex = r"(?!(?:_matrix|api|healthz|readyz)(?:/|$))(?s:.+)"
    part_isolating = False


class MailedToken(BaseConverter):
    """The token of a mailed link, with what a mail program appended (see `Tokens.read_link`)."""

    regex = r"[^/](?s:.*)"
    part_isolating = False


@blueprint.route("/<page_path:_path>", methods=METHODS)
def unknown_path(_path: str) -> Response:
    """404, since all known paths match before this one.

    A mailed link that got extra slashes or dots on the way is redirected to its page.
    """
    path = posixpath.normpath(request.path)
    if request.method != "GET" or path == request.path or not MAILED_LINK.match(path):
        abort(404)
    return make_response(redirect(quote(path), HTTPStatus.SEE_OTHER))
