"""Error pages: each problem is shown as one sentence and one next step."""

import logging
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus

from flask import Response, make_response
from sqlalchemy import exc
from werkzeug.exceptions import HTTPException

from identity import problems
from identity.core.database_faults import AWAY, is_schema_incomplete

from .api_errors import AWAY_RETRY, say_until
from .rendering import render_page
from .request_context import services
from .request_record import count_limit, request_id

log = logging.getLogger(__name__)

# Shown when the error page itself cannot be rendered.
BARE = """<!doctype html>
<html lang="fr"><head><meta charset="utf-8"><title>Erreur</title></head><body><main>
<h1>Le service a un problème, pas vous</h1>
<p>Rien n&#8217;a été perdu. Réessayez dans quelques minutes. Référence {reference}.</p>
<p lang="en">The service has a problem, not you. Nothing was lost.
Try again in a few minutes. Reference {reference}.</p>
<p><a href="/">Accueil / Home</a></p></main></body></html>
"""


@dataclass(frozen=True)
class Advice:
    """The status, the text id of the sentence, and the next page (templates/pages/problem.html)."""

    status: HTTPStatus
    sentence: str
    next_step: str


START, HOME, HELP, SIGN_IN = "start", "home", "help", "sign_in"
ADVICE: dict[type[problems.Problem], Advice] = {
    problems.InvalidEmail: Advice(HTTPStatus.BAD_REQUEST, "problem.email", START),
    problems.MissingParameter: Advice(HTTPStatus.BAD_REQUEST, "problem.incomplete", START),
    problems.WrongParameter: Advice(HTTPStatus.BAD_REQUEST, "problem.incomplete", START),
    problems.CredentialNeeded: Advice(HTTPStatus.UNAUTHORIZED, "problem.other", HOME),
    problems.NoSuchRequest: Advice(HTTPStatus.NOT_FOUND, "problem.no_request", START),
    problems.AddressTaken: Advice(HTTPStatus.CONFLICT, "problem.taken", SIGN_IN),
    problems.InvitationNeeded: Advice(HTTPStatus.FORBIDDEN, "problem.uninvited", HELP),
    problems.NameRefused: Advice(HTTPStatus.CONFLICT, "problem.name_refused", HELP),
    problems.Stopped: Advice(HTTPStatus.SERVICE_UNAVAILABLE, "stopped.other", HOME),
    problems.SignUpsFrozen: Advice(HTTPStatus.SERVICE_UNAVAILABLE, "stopped.sign_ups", HOME),
    problems.InvitationsFrozen: Advice(HTTPStatus.SERVICE_UNAVAILABLE, "stopped.invitations", HOME),
    problems.MailsFrozen: Advice(HTTPStatus.SERVICE_UNAVAILABLE, "stopped.mails", HOME),
    problems.DomainFrozen: Advice(HTTPStatus.SERVICE_UNAVAILABLE, "stopped.domain", HOME),
    problems.ConsoleFrozen: Advice(HTTPStatus.SERVICE_UNAVAILABLE, "stopped.other", HOME),
    problems.HomeserverHeld: Advice(HTTPStatus.SERVICE_UNAVAILABLE, "stopped.held", HOME),
    problems.HomeserverSuspended: Advice(HTTPStatus.SERVICE_UNAVAILABLE, "stopped.suspended", HOME),
    problems.InviterBlocked: Advice(HTTPStatus.SERVICE_UNAVAILABLE, "stopped.blocked", HOME),
    problems.AccessEnded: Advice(HTTPStatus.FORBIDDEN, "problem.other", HELP),
    problems.HomeserverRetired: Advice(HTTPStatus.FORBIDDEN, "problem.retired", HELP),
    problems.ServerAway: Advice(HTTPStatus.SERVICE_UNAVAILABLE, "problem.server_away", START),
    problems.WeakPassword: Advice(HTTPStatus.BAD_REQUEST, "problem.incomplete", START),
    problems.WrongDisplayName: Advice(HTTPStatus.BAD_REQUEST, "problem.incomplete", START),
    problems.BaseMoved: Advice(HTTPStatus.CONFLICT, "problem.other", HOME),
    problems.DomainRequestDecided: Advice(HTTPStatus.CONFLICT, "problem.domain_decided", HOME),
    problems.NoSuchDomainRequest: Advice(HTTPStatus.NOT_FOUND, "problem.no_request", HOME),
    problems.DomainLooksAlike: Advice(HTTPStatus.CONFLICT, "problem.other", HOME),
    problems.UnknownHomeserver: Advice(HTTPStatus.NOT_FOUND, "problem.other", HOME),
    problems.LastAdmin: Advice(HTTPStatus.CONFLICT, "problem.other", HOME),
    problems.OperatorExists: Advice(HTTPStatus.CONFLICT, "problem.other", HOME),
    problems.NoSuchOperator: Advice(HTTPStatus.NOT_FOUND, "problem.other", HOME),
    problems.NoSuchToken: Advice(HTTPStatus.NOT_FOUND, "problem.other", HOME),
    problems.NotYourOwn: Advice(HTTPStatus.FORBIDDEN, "problem.other", HOME),
    problems.OperatorEnabled: Advice(HTTPStatus.CONFLICT, "problem.other", HOME),
    problems.NotPermitted: Advice(HTTPStatus.FORBIDDEN, "problem.other", HOME),
    problems.EndsSooner: Advice(HTTPStatus.FORBIDDEN, "problem.other", HOME),
    problems.NoSuchChange: Advice(HTTPStatus.NOT_FOUND, "problem.other", HOME),
    problems.NotNow: Advice(HTTPStatus.CONFLICT, "problem.other", HOME),
    problems.StaleDraft: Advice(HTTPStatus.CONFLICT, "problem.other", HOME),
    problems.OwnApproval: Advice(HTTPStatus.FORBIDDEN, "problem.other", HOME),
    problems.TooCloseToApprove: Advice(HTTPStatus.FORBIDDEN, "problem.other", HOME),
    problems.ApprovalNeeded: Advice(HTTPStatus.FORBIDDEN, "problem.other", HOME),
    problems.NotForAgents: Advice(HTTPStatus.FORBIDDEN, "problem.other", HOME),
    problems.TargetNotReady: Advice(HTTPStatus.CONFLICT, "problem.other", HOME),
    problems.UnreadableFile: Advice(HTTPStatus.BAD_REQUEST, "problem.other", HOME),
    problems.Unavailable: Advice(HTTPStatus.SERVICE_UNAVAILABLE, "problem.away", START),
}
OTHERWISE = Advice(HTTPStatus.BAD_REQUEST, "problem.other", HOME)


def answer_problem(problem: problems.Problem) -> Response:
    """The page for a problem that no view has handled."""
    if isinstance(problem, problems.TooManyRequests):
        return answer_too_many(problem)
    if isinstance(problem, problems.Stopped):
        return answer_stopped(problem)
    found = advice_for(problem)
    response = render_page(
        "problem",
        status=found.status,
        sentence=found.sentence,
        next_step=found.next_step,
        reference=request_id(),
    )
    if found.status == HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["Retry-After"] = str(AWAY_RETRY)
    return response


def advice_for(problem: problems.Problem) -> Advice:
    """The status and the next step for a problem."""
    return next((ADVICE[kind] for kind in type(problem).__mro__ if kind in ADVICE), OTHERWISE)


def answer_stopped(stopped: problems.Stopped) -> Response:
    """The page for what operators have stopped: what, since nothing is lost, and until when."""
    found = ADVICE[type(stopped)]
    response = render_page(
        "stopped",
        status=found.status,
        sentence=found.sentence,
        label=stopped.label,
        until=stopped.until,
    )
    say_until(response, stopped)
    return response


def answer_too_many(problem: problems.TooManyRequests) -> Response:
    """The page for a reached limit, which says at what time one can try again."""
    count_limit(problem)
    again_at = services.now() + timedelta(seconds=problem.retry_after)
    response = render_page(
        "too_many", status=HTTPStatus.TOO_MANY_REQUESTS, again_at=again_at, reference=request_id()
    )
    response.headers["Retry-After"] = str(problem.retry_after)
    return response


def answer_http(error: HTTPException) -> Response:
    """The page for errors of HTTP itself, such as 404."""
    status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    if status in {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}:
        return render_page("not_found", status=HTTPStatus.NOT_FOUND)
    return render_page(
        "problem",
        status=status,
        sentence="problem.other",
        next_step=HOME,
        reference=request_id(),
    )


def answer_database_away(error: Exception) -> Response:
    """The page if the database does not answer; the page does not use it."""
    log.warning("a page could not be answered: %s", type(error).__name__)
    response = _static(HTTPStatus.SERVICE_UNAVAILABLE)
    response.headers["Retry-After"] = str(AWAY_RETRY)
    return response


def answer_schema_incomplete(error: exc.ProgrammingError) -> Response:
    """The same page until it is upgraded or loaded; any other error of ours is a 500."""
    if not is_schema_incomplete(error):
        raise error
    return answer_database_away(error)


def answer_unfit(error: Exception) -> Response:
    """The page for a value that the database cannot store and no check has refused before."""
    log.warning("a value could not be stored: %s", type(error).__name__)
    return answer_problem(problems.WrongParameter())


def answer_broken(error: Exception) -> Response:
    """The page for any other exception. The log has the traceback, under the request's id.

    The database may have gone away while the page of another error was being made.
    """
    cause = getattr(error, "original_exception", None) or error
    if isinstance(cause, AWAY):
        return answer_database_away(cause)
    log.error("page failed, reference %s", request_id(), exc_info=cause)
    return _static(HTTPStatus.INTERNAL_SERVER_ERROR)


def _static(status: HTTPStatus) -> Response:
    reference = request_id()
    try:
        return render_page("broken", status=status, reference=reference)
    except Exception:  # the same fault may affect this page as well
        log.exception("the page for errors failed, reference %s", reference)
        return make_response(BARE.format(reference=reference), status)
