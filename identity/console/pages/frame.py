"""The blueprint of the console: who may see which screen, its frame, its forms and error pages.

Every view says which deed it does. The guard asks, in this order: does this console answer here, who
is signed in, has the second factor been right, does the role allow the deed, and, for a form, why it
is done and the second factor once more. A form that lacks the last two is shown again with these.
"""

import shlex
import uuid
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

from flask import (
    Blueprint,
    Response,
    abort,
    make_response,
    redirect,
    render_template,
    request,
    session as cookie,
    url_for,
)
from sqlalchemy import exc
from werkzeug.exceptions import HTTPException, InternalServerError

from identity.console.waiting import Waiting
from identity.core.database_faults import AWAY
from identity.core.strict_json import is_text
from identity.freezes import service as freezing
from identity.operators import factors, kept_forms, models as operators
from identity.operators.factors import Answer
from identity.operators.reasons import is_reason
from identity.operators.roles import IMPLIED, PERMISSIONS, Deed, Role, strongest
from identity.problems import (
    ConsoleFrozen,
    NoSuchChange,
    NoSuchRevision,
    Problem,
    TooManyRequests,
    WrongParameter,
)
from identity.web import console_gate, csrf, page_errors, page_headers, session_cookies, wording
from identity.web.rendering import Fault, context
from identity.web.request_context import services
from identity.web.wording import prefer_language, text

from . import bar, passkey_answers
from .operator_session import COOKIE, operator, signed_in
from .passkey_answers import FIELD as PASSKEY

DONE: Final = "console_done"  # in the cookie: what the last form did, shown once
THEN: Final = "console_then"  # in the cookie: the screen that was asked for before signing in
KEPT: Final = "kept_form"  # field of a form that was kept: its id
FACTOR, REASON = "second_factor", "reason"
NOT_CARRIED: Final = {csrf.FIELD, FACTOR, PASSKEY, REASON, KEPT}
NOT_KEPT: Final = NOT_CARRIED - {REASON}
OWN_VISITS: Final = {"same-origin", "none"}  # values of Sec-Fetch-Site
NOT_THERE: Final = (NoSuchChange, NoSuchRevision)
DEEDS: Final[dict[tuple[str, str], Deed | None]] = {}
"""What each view does, by endpoint and method; None: for whoever is not signed in yet."""
blueprint = Blueprint("console", __name__, url_prefix="/admin")
blueprint.after_request(page_headers.protect)
blueprint.url_defaults(wording.keep_language_in_links)

View = Callable[..., Response]


def screen(rule: str, deed: Deed | None, *, method: str = "GET") -> Callable[[View], View]:
    """Register a view. `deed`: what it does, and so who may; None: it is for signing in."""

    def register(view: View) -> View:
        DEEDS["console." + view.__name__, method] = deed
        blueprint.add_url_rule(rule, view.__name__, view, methods=[method])
        return view

    return register


def form(rule: str, deed: Deed | None) -> Callable[[View], View]:
    """Register what a form does."""
    return screen(rule, deed, method="POST")


@blueprint.before_request
def guard() -> Response | None:
    """Let nobody further who may not do what the view does."""
    console_gate.check_reachable()
    _check_text()
    deed = _deed()
    if request.method == "POST" and not csrf.is_valid():
        return _refuse_foreign() if _is_foreign(deed) else _show_again()
    if deed is None:
        return None
    who = signed_in()
    if who is None:
        _keep_form()
        return go_to_sign_in()
    if request.endpoint != "console.sign_out":
        freezing.check_console(services.freezes.current(), is_admin=Role.ADMIN in who.roles)
    if who.language:
        prefer_language(who.language)
    if not who.is_whole:
        _remember_screen()
        return go_to("second_factor")
    if not who.may(deed):
        return _refuse(deed)
    return _ask_again(deed) if request.method == "POST" else None


def show(
    name: str,
    /,
    *,
    status: HTTPStatus = HTTPStatus.OK,
    faults: Sequence[Fault] = (),
    waits: Sequence[Waiting] | None = None,
    **values: Any,
) -> Response:
    """Render `templates/console/<name>.html`; with faults the status is 400, unless another is given.

    `waits`: what waits for the operator, if the screen has asked already.
    """
    who = signed_in()
    if faults and status is HTTPStatus.OK:
        status = HTTPStatus.BAD_REQUEST
    html = render_template(
        f"console/{name}.html",
        **context(faults),
        who=who if who is not None and who.is_whole else None,
        may=lambda deed: who is not None and who.may(Deed(deed)),
        navigation=bar.screens(who),
        counts=bar.counts(who, waits),
        own_roles=[] if who is None else strongest(who.roles),
        done=cookie.pop(DONE, None),
        sso=services.settings.sso_name,
        shell=shlex.quote,
        has_text=wording.has_text,
        **values,
    )
    return make_response(html, status)


def go_to(endpoint: str, /, **values: Any) -> Response:
    """Redirect to a screen after a form (303), so that reloading repeats nothing."""
    return make_response(redirect(url_for(f"console.{endpoint}", **values), HTTPStatus.SEE_OTHER))


def say(text_id: str, **values: str | int) -> None:
    """What the next screen says about what was done: the id of a text, and its values.

    They stand in a signed cookie that the browser can read: no address, no token.
    """
    cookie[DONE] = [text_id, values]


def go_to_sign_in() -> Response:
    """Sign in first. The screen that was asked for follows; its path holds nothing personal."""
    _remember_screen()
    return go_to("sign_in")


def go_on() -> Response:
    """After signing in: the form that was kept, else the screen that was asked for, else the first."""
    who = signed_in()
    with services.database.reading() as database:
        kept = who and kept_forms.find_newest(database, services.now(), who.operator_id)
    wanted = cookie.pop(THEN, "")
    if kept:
        return go_to("kept_form", form_id=kept)
    path = own_path(wanted) or url_for("console.home")
    return make_response(redirect(path, HTTPStatus.SEE_OTHER))


def own_path(wanted: str) -> str | None:
    """The path, if it is one of the console's; None for anything else."""
    try:
        parts = urlsplit(wanted)
    except ValueError:  # half a bracket
        return None
    is_ours = not parts.scheme and not parts.netloc and wanted.startswith("/admin/")
    return wanted if is_ours and "\\" not in wanted and wanted.isprintable() else None


def typed_reason() -> str:
    """Why the operator does it, as typed."""
    return " ".join(request.form.get(REASON, "").split())


def _deed() -> Deed | None:
    """What the view does. OPTIONS tells the methods, and nothing else."""
    method = "GET" if request.method == "HEAD" else request.method
    return None if method == "OPTIONS" else DEEDS[str(request.endpoint), method]


def _check_text() -> None:
    typed = [*request.args.items(multi=True), *request.form.items(multi=True)]
    if not all(map(is_text, (value for pair in typed for value in pair))):
        raise WrongParameter


def _remember_screen() -> None:
    if request.method in {"GET", "HEAD"} and request.path != url_for("console.home"):
        cookie[THEN] = request.path


def _keep_form() -> None:
    """Keep what was sent after the session's end, for the operator whose session it was."""
    token = session_cookies.read_token(COOKIE)
    if request.method != "POST" or token is None:
        return
    fields = kept_forms.without(request.form.items(multi=True), *NOT_KEPT)
    if not fields and not request.files:  # a button alone: nothing was typed that could be lost
        return
    form = kept_forms.Form(request.path, fields, had_files=bool(request.files))
    with services.database.transaction() as database:
        kept_forms.keep(database, services.vault, services.now(), token, form)


def _end_kept_form() -> None:
    """A form that was kept is sent again: it is not shown any more."""
    try:
        form_id = uuid.UUID(request.form.get(KEPT, ""))
    except ValueError:
        return
    with services.database.transaction() as database:
        kept_forms.end(database, form_id, operator().operator_id)


def _refuse(deed: Deed) -> Response:
    """The page for a deed that the role does not allow; it names who can."""
    roles = PERMISSIONS[deed].roles
    with services.database.reading() as database:
        names = [
            each.name
            for each in operators.find_all(database)
            if each.disabled_at is None and roles & _all_of(each.role_set)
        ]
    lowest = next(role for role in Role if role in roles)
    return show("refused", status=HTTPStatus.FORBIDDEN, role=lowest, names=names[:5])


def _all_of(roles: frozenset[Role]) -> set[Role]:
    return {implied for role in roles for implied in IMPLIED[role]}


def _ask_again(deed: Deed) -> Response | None:
    """Ask why, and the second factor, where the deed wants them; the form is carried along."""
    _end_kept_form()
    permission, who = PERMISSIONS[deed], operator()
    faults = []
    asks_reason = permission.reason and not is_reason(typed_reason())
    asks_factor = permission.step_up and not who.has_proved(services.now())
    if asks_reason and REASON in request.form:
        faults.append(Fault(REASON, text("console.reason.short")))
    if asks_factor and request.form.get(PASSKEY):
        fault = try_passkey()
        asks_factor = fault is not None
        faults += [fault] if fault else []
    elif asks_factor and request.form.get(FACTOR):
        tried = _try_factor(request.form[FACTOR])
        asks_factor = not tried.is_right
        if asks_factor:
            faults.append(Fault(FACTOR, factor_fault(tried)))
    if not asks_reason and not asks_factor:
        return None
    return show(
        "ask_again",
        faults=faults,
        carried=[pair for pair in request.form.items(multi=True) if pair[0] not in NOT_CARRIED],
        asks_reason=permission.reason,
        asks_factor=asks_factor,
        has_app=asks_factor and _has_app(),
        has_passkey=asks_factor and passkey_answers.has_one(),
        action=request.path,
    )


def _has_app() -> bool:
    """Whether there is an app whose code can be asked; the provider may have proved it instead."""
    if not operator().by_sso:
        return True
    with services.database.reading() as database:
        return factors.has_factor(database, operator().operator_id)


def _try_factor(typed: str) -> factors.Tried:
    who = operator()
    with services.database.transaction() as database:
        found = operators.find(database, who.operator_id)
        if found is None:
            abort(HTTPStatus.NOT_FOUND)
        now, here = services.now(), who.session_id
        return factors.prove(database, services.vault, now, found, typed, session_id=here)


def try_passkey() -> Fault | None:
    """Try a passkey in place of a code of the app; what was not right, None if it was."""
    tried = passkey_answers.prove_again()
    return None if tried.is_right else Fault(PASSKEY, passkey_answers.fault_of(tried))


def factor_fault(tried: factors.Tried) -> str:
    """The sentence about a code that was not right."""
    if tried.answer is Answer.LOCKED and tried.locked_until:
        return text("console.factor.locked", time=wording.clock(tried.locked_until))
    if tried.answer is Answer.OTHER_APP:
        return text("console.factor.other_app")
    if tried.answer is Answer.UNREADABLE:
        return text("console.factor.unreadable")
    return wording.counted("console.factor.wrong", tried.left)


def _is_foreign(deed: Deed | None) -> bool:
    """Whether a form without our token was sent by a page of another site.

    Browsers say so in `Sec-Fetch-Site`; and with a form of another site they send none of our
    cookies, which whoever is or was signed in has.
    """
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in OWN_VISITS:
        return True
    return deed is not None and session_cookies.read_token(COOKIE) is None


def _refuse_foreign() -> Response:
    """Nothing of the form is offered again: one press of a button would do what a stranger wrote."""
    said = "This form was sent by a page of another site. Nothing was done."
    return show("problem", status=HTTPStatus.BAD_REQUEST, problem=said)


def _show_again() -> Response:
    """A form whose time is over, with what was typed, to be sent once more."""
    return show(
        "form_expired",
        status=HTTPStatus.BAD_REQUEST,
        carried=[pair for pair in request.form.items(multi=True) if pair[0] not in NOT_CARRIED],
        action=request.path,
    )


def _answer_problem(problem: Problem) -> Response:
    """A problem that no view has handled, with its own words: operators read the technical ones."""
    if isinstance(problem, TooManyRequests):
        return page_errors.answer_too_many(problem)
    if isinstance(problem, ConsoleFrozen):
        return show("console_frozen", status=HTTPStatus.SERVICE_UNAVAILABLE, until=problem.until)
    if isinstance(problem, NOT_THERE):
        return show("not_found", status=HTTPStatus.NOT_FOUND)
    found = page_errors.advice_for(problem)
    return show("problem", status=found.status, problem=str(problem))


def _answer_http(error: HTTPException) -> Response:
    if error.code in {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}:
        return show("not_found", status=HTTPStatus.NOT_FOUND)
    return page_errors.answer_http(error)


blueprint.register_error_handler(Problem, _answer_problem)
blueprint.register_error_handler(HTTPException, _answer_http)
for kind in AWAY:
    blueprint.register_error_handler(kind, page_errors.answer_database_away)
blueprint.register_error_handler(exc.ProgrammingError, page_errors.answer_schema_incomplete)
for unfit in (exc.DataError, UnicodeEncodeError):
    blueprint.register_error_handler(unfit, page_errors.answer_unfit)
blueprint.register_error_handler(InternalServerError, page_errors.answer_broken)
