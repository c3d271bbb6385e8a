"""The blueprint of the pages: guard, forms, language, headers and what to say when something is wrong."""

from http import HTTPStatus

from flask import Blueprint, Response, request
from sqlalchemy import exc
from werkzeug.exceptions import HTTPException, InternalServerError

from identity.core.strict_json import is_text
from identity.problems import Problem, WrongParameter

from . import csrf, languages
from . import page_errors as errors
from . import page_headers as headers
from .page_guards import anyone
from .rendering import page

ASSETS_KEPT = 365 * 86400  # seconds; the URL changes with the content

blueprint = Blueprint(
    "pages",
    __name__,
    static_folder="static",
    static_url_path="/assets",
)
blueprint.before_request(anyone)
blueprint.after_request(headers.protect)
blueprint.url_defaults(languages.keep_language_in_links)
blueprint.register_error_handler(Problem, errors.answer_problem)
blueprint.register_error_handler(HTTPException, errors.answer_http)
for kind in (exc.OperationalError, exc.InterfaceError, exc.TimeoutError):
    blueprint.register_error_handler(kind, errors.away)
for unfit in (exc.DataError, UnicodeEncodeError):
    blueprint.register_error_handler(unfit, errors.unfit)
blueprint.register_error_handler(InternalServerError, errors.broken)

# What a form that grew too old may hand back: fields to see and correct, and switches of the same form.
SHOWN_AGAIN = ("email", "code", "display_name", "q", "address")
CARRIED_AGAIN = ("keep", "invited", "undo", "send", "retry", "correct")
WITHOUT_FORM = {"pages.unknown_path"}


def is_one_click() -> bool:
    """A mail program ends mails for its reader (RFC 8058): it has neither cookie nor form of ours."""
    return request.form.get("List-Unsubscribe") == "One-Click"


@blueprint.before_request
def check_text() -> None:
    """No field holds NUL: nobody types it, and it can be neither kept nor mailed. Raises WrongParameter."""
    typed = [*request.args.items(multi=True), *request.form.items(multi=True)]
    names = [file.filename or "" for file in request.files.values()]
    if not all(map(is_text, [*names, *(text for pair in typed for text in pair)])):
        raise WrongParameter


@blueprint.before_request
def check_form() -> Response | None:
    """A form that is too old, or not ours, is shown again with what was typed: pressing once more sends it."""
    if request.method != "POST" or request.endpoint in WITHOUT_FORM or csrf.is_ours():
        return None
    if request.endpoint == "pages.opt_out" and is_one_click():
        return None
    return page(
        "form_expired",
        status=HTTPStatus.BAD_REQUEST,
        shown={name: request.form[name] for name in SHOWN_AGAIN if name in request.form},
        carried={name: request.form[name] for name in CARRIED_AGAIN if name in request.form},
        asks_password="password" in request.form,
        is_list=request.endpoint == "pages.lists_new",
    )


@blueprint.after_request
def keep_assets(response: Response) -> Response:
    """The style sheet may be kept by the browser."""
    if request.endpoint == "pages.static" and response.status_code == HTTPStatus.OK:
        response.headers["Cache-Control"] = f"public, max-age={ASSETS_KEPT}, immutable"
    return response
