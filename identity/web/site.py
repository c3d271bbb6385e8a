"""The blueprint of all pages, with its guard, form checks, languages, headers and error pages."""

from http import HTTPStatus

from flask import Blueprint, Response, request
from sqlalchemy import exc
from werkzeug.exceptions import HTTPException, InternalServerError

from identity.core.database_faults import AWAY
from identity.core.strict_json import is_text
from identity.problems import Problem, WrongParameter

from . import csrf, page_errors as errors, page_headers as headers, wording
from .guards import anyone
from .rendering import render_page

ASSETS_MAX_AGE = 365 * 86400  # seconds; the URL changes with the content

blueprint = Blueprint(
    "pages",
    __name__,
    static_folder="static",
    static_url_path="/assets",
)
blueprint.before_request(anyone)
blueprint.after_request(headers.protect)
blueprint.url_defaults(wording.keep_language_in_links)
blueprint.register_error_handler(Problem, errors.answer_problem)
blueprint.register_error_handler(HTTPException, errors.answer_http)
for kind in AWAY:
    blueprint.register_error_handler(kind, errors.answer_database_away)
blueprint.register_error_handler(exc.ProgrammingError, errors.answer_schema_incomplete)
for unfit in (exc.DataError, UnicodeEncodeError):
    blueprint.register_error_handler(unfit, errors.answer_unfit)
blueprint.register_error_handler(InternalServerError, errors.answer_broken)

# Fields of an expired form that are shown again: to see and correct, and hidden ones.
SHOWN_AGAIN = ("email", "code", "display_name", "q", "address")
CARRIED_AGAIN = (
    *("keep", "invited", "undo", "send", "retry", "correct"),
    # of a request for a domain
    *("organisation", "position", "site", "size", "phone", "it_contact", "answer"),
)
WITHOUT_FORM = {"pages.unknown_path"}


def is_one_click_unsubscribe() -> bool:
    """Whether a mail program unsubscribes its reader (RFC 8058); it has no CSRF token."""
    return request.form.get("List-Unsubscribe") == "One-Click"


@blueprint.before_request
def check_text() -> None:
    """Refuse fields with NUL, which can neither be stored nor mailed. Raises WrongParameter."""
    typed = [*request.args.items(multi=True), *request.form.items(multi=True)]
    names = [file.filename or "" for file in request.files.values()]
    if not all(map(is_text, [*names, *(text for pair in typed for text in pair)])):
        raise WrongParameter


@blueprint.before_request
def check_form() -> Response | None:
    """Show a form without a valid token again, with what was typed, to be sent once more."""
    if request.method != "POST" or request.endpoint in WITHOUT_FORM or csrf.is_valid():
        return None
    if request.endpoint == "pages.opt_out" and is_one_click_unsubscribe():
        return None
    return render_page(
        "form_expired",
        status=HTTPStatus.BAD_REQUEST,
        shown={name: request.form[name] for name in SHOWN_AGAIN if name in request.form},
        carried={name: request.form[name] for name in CARRIED_AGAIN if name in request.form},
        asks_password="password" in request.form,
        is_list=request.endpoint == "pages.lists_new",
    )


@blueprint.after_request
def keep_assets(response: Response) -> Response:
    """Let browsers cache the style sheet."""
    if request.endpoint == "pages.static" and response.status_code == HTTPStatus.OK:
        response.headers["Cache-Control"] = f"public, max-age={ASSETS_MAX_AGE}, immutable"
    return response
