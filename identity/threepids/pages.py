"""Validation for Matrix clients: the page of the mailed link, and the specification's own link."""

from http import HTTPStatus

from flask import Response, make_response, redirect, request
from jinja2 import Environment

from domain_rules.addresses import EmailAddress
from identity.core.one_time_codes.service import CodeAnswer, Result
from identity.problems import NoValidSession
from identity.web.code_form import code_faults, unfinished_code
from identity.web.rendering import Fault, go_to, render_page
from identity.web.request_context import services
from identity.web.site import blueprint
from identity.web.wording import language, prefer_language

from . import validation, validation_sessions
from .validation_sessions import ValidationSession

OWN_PAGE = "validated.html"  # the operator's page, in the brand folder
SID_LENGTH = 32  # characters
SUBMIT = "/_matrix/identity/v2/validate/email/submitToken"


def show_link(token: str) -> Response:
    """The page with the requesting user and a field for the code. Opening it changes nothing."""
    asked = _mailed(token)
    return _page(token, asked) if asked else render_page("link_broken", status=HTTPStatus.NOT_FOUND)


def try_code(token: str) -> Response:
    """Try the typed code, in any browser; a right one validates the address."""
    asked = _mailed(token)
    if asked is None:
        return render_page("link_broken", status=HTTPStatus.NOT_FOUND)
    if asked.validated_at or validation.is_over(asked, services.now()):
        return go_to("verify_page", token=token)
    if faults := unfinished_code():
        return _page(token, asked, faults)
    with services.database.transaction() as session:
        row = validation_sessions.find(session, asked.id)
        answered = (
            validation.try_code(
                session, services.tokens, services.now(), row, request.form.get("code", "")
            )
            if row
            else CodeAnswer(Result.OVER)
        )
    if answered.result in {Result.RIGHT, Result.OVER}:
        return go_to("verify_page", token=token)
    return _page(token, asked, code_faults(answered, held=True))


@blueprint.get(SUBMIT)
def submit_by_link() -> Response:
    """The specification's link, in mails of some brands: opening it validates the address."""
    if request.method == "HEAD":
        return make_response()
    sid, secret, token = (request.args.get(name, "") for name in ("sid", "client_secret", "token"))
    with services.database.transaction() as session:
        try:
            # sid is last in the link: what a mail program appended is cut off.
            asked = validation.find(session, sid=sid[:SID_LENGTH], client_secret=secret)
        except NoValidSession:
            return _answer(success=False, status=HTTPStatus.NOT_FOUND)
        prefer_language(asked.language)
        answered = validation.try_code(session, services.tokens, services.now(), asked, token)
    if answered.result is not Result.RIGHT:
        return _answer(success=False, status=HTTPStatus.BAD_REQUEST)
    onward = validation.next_url_of(asked)
    return make_response(redirect(onward)) if onward else _answer(success=True)


def _mailed(token: str) -> ValidationSession | None:
    session_id = services.tokens.read_link(token, "client")
    if session_id is None:
        return None
    with services.database.reading() as session:
        asked = validation_sessions.find(session, session_id)
    if asked:
        prefer_language(asked.language)
    return asked


def _page(token: str, asked: ValidationSession, faults: list[Fault] | None = None) -> Response:
    if validation.is_over(asked, services.now()):
        return render_page("client_link_over", ended_at=validation.ends_at(asked))
    if asked.validated_at:
        return render_page(
            "client_link_done", user_id=asked.user_id, onward=validation.next_url_of(asked)
        )
    return render_page(
        "client_link",
        faults=faults or (),
        token=token,
        asked=asked,
        masked=EmailAddress.stored(asked.address).masked,
    )


def _answer(*, success: bool, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """The result page of the specification's link: the operator's if there is one, else ours."""
    folder = services.settings.brand_dir
    if folder is None or not (folder / OWN_PAGE).is_file():
        return render_page("client_link_answer", status=status, success=success)
    template = Environment(autoescape=True).from_string(
        (folder / OWN_PAGE).read_text(encoding="utf-8")
    )
    facts = {"success": success, "service": services.settings.service_name, "language": language()}
    return make_response(template.render(facts), status)
