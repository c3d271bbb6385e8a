"""Error answers of the APIs: every problem becomes a Matrix error, {"errcode": …, "error": …}."""

import logging
import math
from http import HTTPStatus

from flask import Flask, Response, current_app, jsonify, request
from sqlalchemy import exc
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.wrappers import Response as AnyResponse

from identity import problems
from identity.core.database_faults import AWAY, is_schema_incomplete

from . import request_record
from .request_context import services

log = logging.getLogger(__name__)

AWAY_RETRY = 30  # seconds
# Paths of APIs; all other paths are pages.
FOR_PROGRAMS = ("/_matrix", "/api", "/healthz", "/readyz")
BELOW = tuple(f"{path}/" for path in FOR_PROGRAMS)
FOR_OPERATORS = "/api/admin/"  # their errors name the request, as those of pages do

ANSWERS: dict[type[problems.Problem], tuple[HTTPStatus, str]] = {
    problems.InvalidEmail: (HTTPStatus.BAD_REQUEST, "M_INVALID_EMAIL"),
    problems.MissingParameter: (HTTPStatus.BAD_REQUEST, "M_MISSING_PARAMS"),
    problems.WrongParameter: (HTTPStatus.BAD_REQUEST, "M_INVALID_PARAM"),
    problems.CredentialNeeded: (HTTPStatus.FORBIDDEN, "M_FORBIDDEN"),
    problems.TooManyRequests: (HTTPStatus.TOO_MANY_REQUESTS, "M_LIMIT_EXCEEDED"),
    problems.Unavailable: (HTTPStatus.SERVICE_UNAVAILABLE, "M_UNKNOWN"),
    problems.NoSuchRequest: (HTTPStatus.NOT_FOUND, "M_NOT_FOUND"),
    problems.InvitationNeeded: (HTTPStatus.FORBIDDEN, "M_FORBIDDEN"),
    problems.AddressTaken: (HTTPStatus.CONFLICT, "M_THREEPID_IN_USE"),
    problems.ServerAway: (HTTPStatus.SERVICE_UNAVAILABLE, "M_UNKNOWN"),
    problems.NameRefused: (HTTPStatus.CONFLICT, "M_USER_IN_USE"),
    problems.WeakPassword: (HTTPStatus.BAD_REQUEST, "M_WEAK_PASSWORD"),
    problems.WrongDisplayName: (HTTPStatus.BAD_REQUEST, "M_INVALID_PARAM"),
    problems.BaseMoved: (HTTPStatus.CONFLICT, "org.guichet.base_moved"),
    problems.NoSuchDomainRequest: (HTTPStatus.NOT_FOUND, "M_NOT_FOUND"),
    problems.DomainRequestDecided: (HTTPStatus.CONFLICT, "org.guichet.decided"),
    problems.DomainLooksAlike: (HTTPStatus.CONFLICT, "org.guichet.looks_alike"),
    problems.MovesAccounts: (HTTPStatus.CONFLICT, "org.guichet.moves_accounts"),
    problems.NoSuchRevision: (HTTPStatus.NOT_FOUND, "M_NOT_FOUND"),
    problems.NotRestoring: (HTTPStatus.CONFLICT, "M_UNKNOWN"),
    problems.UnknownHomeserver: (HTTPStatus.NOT_FOUND, "M_NOT_FOUND"),
    problems.LastAdmin: (HTTPStatus.CONFLICT, "org.guichet.last_admin"),
    problems.NoSuchOperator: (HTTPStatus.NOT_FOUND, "M_NOT_FOUND"),
    problems.NoSuchToken: (HTTPStatus.NOT_FOUND, "M_NOT_FOUND"),
    problems.OperatorExists: (HTTPStatus.CONFLICT, "org.guichet.operator_exists"),
    problems.WrongOperator: (HTTPStatus.BAD_REQUEST, "M_INVALID_PARAM"),
    problems.NotYourOwn: (HTTPStatus.FORBIDDEN, "M_FORBIDDEN"),
    problems.OperatorEnabled: (HTTPStatus.CONFLICT, "org.guichet.operator_enabled"),
    problems.TooManyMails: (HTTPStatus.TOO_MANY_REQUESTS, "M_LIMIT_EXCEEDED"),
    problems.TooManyTries: (HTTPStatus.TOO_MANY_REQUESTS, "M_LIMIT_EXCEEDED"),
    problems.TooManyInvitations: (HTTPStatus.TOO_MANY_REQUESTS, "M_LIMIT_EXCEEDED"),
    problems.NoValidSession: (HTTPStatus.NOT_FOUND, "M_NO_VALID_SESSION"),
    problems.SessionExpired: (HTTPStatus.BAD_REQUEST, "M_SESSION_EXPIRED"),
    problems.SessionNotValidated: (HTTPStatus.BAD_REQUEST, "M_SESSION_NOT_VALIDATED"),
    problems.WrongCode: (HTTPStatus.BAD_REQUEST, "M_TOKEN_INCORRECT"),
    problems.NotYourself: (HTTPStatus.FORBIDDEN, "M_UNAUTHORIZED"),
    problems.NotAllowed: (HTTPStatus.FORBIDDEN, "M_FORBIDDEN"),
    problems.InvitationsPaused: (HTTPStatus.FORBIDDEN, "M_FORBIDDEN"),
    problems.NoSuchInvitation: (HTTPStatus.NOT_FOUND, "M_NOT_FOUND"),
    problems.InvitationOver: (HTTPStatus.CONFLICT, "org.guichet.invitation_over"),
    problems.InvitationHeld: (HTTPStatus.CONFLICT, "org.guichet.invitation_held"),
    problems.UnknownMedium: (HTTPStatus.BAD_REQUEST, "M_UNRECOGNIZED"),
    problems.UnknownInvitation: (HTTPStatus.NOT_FOUND, "M_UNRECOGNIZED"),
    problems.AddressBound: (HTTPStatus.BAD_REQUEST, "M_THREEPID_IN_USE"),
    problems.WrongServer: (HTTPStatus.FORBIDDEN, "M_FORBIDDEN"),
    problems.UnreadableBody: (HTTPStatus.BAD_REQUEST, "M_BAD_JSON"),
    problems.SignedOut: (HTTPStatus.UNAUTHORIZED, "M_UNAUTHORIZED"),
    problems.TermsNotSigned: (HTTPStatus.FORBIDDEN, "M_TERMS_NOT_SIGNED"),
    problems.TooMuchAtOnce: (HTTPStatus.BAD_REQUEST, "M_TOO_LARGE"),
    problems.WrongPepper: (HTTPStatus.BAD_REQUEST, "M_INVALID_PEPPER"),
    problems.NotOfFederation: (HTTPStatus.FORBIDDEN, "M_FORBIDDEN"),
    problems.OpenIdRefused: (HTTPStatus.UNAUTHORIZED, "M_UNAUTHORIZED"),
    problems.WrongOwner: (HTTPStatus.FORBIDDEN, "M_FORBIDDEN"),
    problems.HomeserverSilent: (HTTPStatus.SERVICE_UNAVAILABLE, "M_UNKNOWN"),
    problems.HomeserverBusy: (HTTPStatus.SERVICE_UNAVAILABLE, "M_UNKNOWN"),
    problems.KeyUnknown: (HTTPStatus.NOT_FOUND, "M_NOT_FOUND"),
    problems.Stopped: (HTTPStatus.SERVICE_UNAVAILABLE, "M_UNKNOWN"),
    problems.SignUpsFrozen: (HTTPStatus.SERVICE_UNAVAILABLE, "M_UNKNOWN"),
    problems.ConsoleFrozen: (HTTPStatus.SERVICE_UNAVAILABLE, "M_UNKNOWN"),
    problems.InvitationsFrozen: (HTTPStatus.SERVICE_UNAVAILABLE, "M_UNKNOWN"),
    problems.DomainFrozen: (HTTPStatus.SERVICE_UNAVAILABLE, "M_UNKNOWN"),
    problems.HomeserverHeld: (HTTPStatus.SERVICE_UNAVAILABLE, "M_UNKNOWN"),
    problems.AccessEnded: (HTTPStatus.FORBIDDEN, "M_FORBIDDEN"),
    problems.HomeserverRetired: (HTTPStatus.FORBIDDEN, "M_FORBIDDEN"),
    problems.MailsFrozen: (HTTPStatus.SERVICE_UNAVAILABLE, "M_EMAIL_SEND_ERROR"),
    problems.HomeserverSuspended: (HTTPStatus.FORBIDDEN, "M_FORBIDDEN"),
    problems.InviterBlocked: (HTTPStatus.FORBIDDEN, "M_FORBIDDEN"),
    problems.TokenNeeded: (HTTPStatus.UNAUTHORIZED, "M_UNAUTHORIZED"),
    problems.NotPermitted: (HTTPStatus.FORBIDDEN, "M_FORBIDDEN"),
    problems.RoleNeeded: (HTTPStatus.FORBIDDEN, "M_FORBIDDEN"),
    problems.ScopeNeeded: (HTTPStatus.FORBIDDEN, "M_FORBIDDEN"),
    problems.EndsSooner: (HTTPStatus.FORBIDDEN, "M_FORBIDDEN"),
    problems.SecondFactorNeeded: (HTTPStatus.FORBIDDEN, "M_FORBIDDEN"),
    problems.NothingHere: (HTTPStatus.NOT_FOUND, "M_NOT_FOUND"),
    problems.ReasonNeeded: (HTTPStatus.BAD_REQUEST, "M_MISSING_PARAMS"),
    problems.VersionNeeded: (HTTPStatus.PRECONDITION_REQUIRED, "org.guichet.if_match_needed"),
    problems.NothingToDo: (HTTPStatus.CONFLICT, "org.guichet.nothing_to_do"),
    problems.KeyReused: (HTTPStatus.CONFLICT, "org.guichet.key_reused"),
    problems.NoSuchOperator: (HTTPStatus.NOT_FOUND, "M_NOT_FOUND"),
    problems.NoSuchToken: (HTTPStatus.NOT_FOUND, "M_NOT_FOUND"),
    problems.OperatorExists: (HTTPStatus.CONFLICT, "org.guichet.operator_exists"),
    problems.LastAdmin: (HTTPStatus.CONFLICT, "org.guichet.last_admin"),
    problems.WrongOperator: (HTTPStatus.BAD_REQUEST, "M_INVALID_PARAM"),
    problems.NoSuchChange: (HTTPStatus.NOT_FOUND, "M_NOT_FOUND"),
    problems.NotNow: (HTTPStatus.CONFLICT, "org.guichet.not_now"),
    problems.StaleDraft: (HTTPStatus.PRECONDITION_FAILED, "org.guichet.stale_draft"),
    problems.OwnApproval: (HTTPStatus.FORBIDDEN, "M_FORBIDDEN"),
    problems.TooCloseToApprove: (HTTPStatus.FORBIDDEN, "M_FORBIDDEN"),
    problems.ApprovalNeeded: (HTTPStatus.CONFLICT, "org.guichet.approval_needed"),
    problems.NotForAgents: (HTTPStatus.UNPROCESSABLE_ENTITY, "org.guichet.not_for_agents"),
    problems.TargetNotReady: (HTTPStatus.UNPROCESSABLE_ENTITY, "org.guichet.target_not_ready"),
    problems.UnreadableFile: (HTTPStatus.BAD_REQUEST, "org.guichet.unreadable_file"),
}
OTHERWISE = (HTTPStatus.BAD_REQUEST, "M_UNKNOWN")

# Errors of HTTP itself; all others are M_UNKNOWN.
CODES = {
    HTTPStatus.NOT_FOUND: "M_UNRECOGNIZED",
    HTTPStatus.METHOD_NOT_ALLOWED: "M_UNRECOGNIZED",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "M_TOO_LARGE",
    HTTPStatus.REQUEST_URI_TOO_LONG: "M_TOO_LARGE",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "M_TOO_LARGE",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "M_NOT_JSON",
    HTTPStatus.TOO_MANY_REQUESTS: "M_LIMIT_EXCEEDED",
    HTTPStatus.UNAUTHORIZED: "M_UNAUTHORIZED",
    HTTPStatus.FORBIDDEN: "M_FORBIDDEN",
}


def register(app: Flask) -> None:
    """Register the handlers for the whole application, so that unknown paths get JSON too."""
    app.register_error_handler(problems.Problem, answer_problem)
    app.register_error_handler(HTTPException, answer_http)
    for kind in AWAY:
        app.register_error_handler(kind, answer_database_away)
    app.register_error_handler(exc.ProgrammingError, answer_schema_incomplete)
    for unfit in (exc.DataError, UnicodeEncodeError):
        app.register_error_handler(unfit, answer_unfit)


def is_for_programs(path: str | None = None) -> bool:
    """Whether this path (default: of the request) is an API's; on the internal listener all are."""
    requested = request.path if path is None else path
    is_known = requested.startswith(BELOW) or requested in FOR_PROGRAMS
    return is_known or current_app.config["LISTENER"] == "internal"


def answer_problem(problem: problems.Problem) -> Response:
    """The Matrix error for a problem: by its class, or the nearest base class in the table."""
    if not is_for_programs():
        raise problem
    request_record.count_limit(problem)
    status, code = next(
        (ANSWERS[kind] for kind in type(problem).__mro__ if kind in ANSWERS), OTHERWISE
    )
    response = _answer(status, code, str(problem), **problem.further)
    if isinstance(problem, problems.TooManyRequests):
        response = _answer(status, code, str(problem), retry_after_ms=problem.retry_after * 1000)
        response.headers["Retry-After"] = str(problem.retry_after)
    elif isinstance(problem, problems.HomeserverSilent):
        response.headers["Retry-After"] = str(problem.retry_after)
    elif isinstance(problem, problems.StaleDraft):
        response.set_etag(str(problem.version))
    elif isinstance(problem, problems.TokenNeeded):
        response.headers["WWW-Authenticate"] = "Bearer"
    if isinstance(problem, problems.Stopped):
        say_until(response, problem)
    return response


def say_until(response: Response, stopped: problems.Stopped) -> None:
    """Set Retry-After to the end of what operators have stopped, if they gave one."""
    response.headers.pop("Retry-After", None)
    if stopped.until is not None:
        seconds = math.ceil((stopped.until - services.now()).total_seconds())
        response.headers["Retry-After"] = str(max(1, seconds))


def answer_database_away(error: exc.SQLAlchemyError) -> Response:
    """503: the database does not answer. Nothing of the request was stored."""
    if not is_for_programs():
        raise error
    log.warning("a request could not be answered: %s", type(error).__name__)
    return answer_problem(problems.Unavailable())


def answer_schema_incomplete(error: exc.ProgrammingError) -> Response:
    """503 until the database is upgraded or loaded; any other error of ours stays a 500."""
    if not is_for_programs() or not is_schema_incomplete(error):
        raise error
    return answer_database_away(error)


def answer_unfit(error: Exception) -> Response:
    """400 for a value that the database cannot store and no check has refused before."""
    log.warning("a value could not be stored: %s", type(error).__name__)
    if not is_for_programs():
        raise error
    return answer_problem(problems.WrongParameter())


def answer_http(error: HTTPException) -> AnyResponse | HTTPException:
    """An error of HTTP itself, or 500 for any other exception, which only the log describes."""
    if not is_for_programs():
        return error
    status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    response = _answer(status, CODES.get(status, "M_UNKNOWN"), f"{status.phrase}.")
    if isinstance(error, MethodNotAllowed):
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
    return response


def _answer(status: HTTPStatus, errcode: str, error: str, **further: int | str) -> Response:
    if request.path.startswith(FOR_OPERATORS):
        further["request_id"] = request_record.request_id()
    response = jsonify(errcode=errcode, error=error, **further)
    response.status_code = status
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["Retry-After"] = str(AWAY_RETRY)
    return response
