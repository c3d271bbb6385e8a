"""Gives each request an id, counts and measures it, and leaves one line in the log.

The line names the rule of the route, never the path: paths contain tokens and addresses.
"""

import logging
from time import perf_counter
from typing import Any

from flask import Flask, Response, g, request
from flask.globals import request_ctx

from domain_rules.user_ids import homeserver_in
from identity.core import metrics, tracing
from identity.core.logging import RequestLine
from identity.networks import is_trusted_peer
from identity.problems import Problem, TooManyInvitations, TooManyMails, TooManyTries

from .request_context import services

log = logging.getLogger(__name__)

HEADER = "X-Request-ID"
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
UNMATCHED = "(none)"  # the route of a path that we do not know
# Limits that services keep; those by network count themselves (core/rate_limits.py).
LIMITS: dict[type[Problem], str] = {
    TooManyMails: "mails",
    TooManyTries: "code_tries",
    TooManyInvitations: "invitations",
}


def register(app: Flask) -> None:
    """Register before everything else: what refuses a request is measured, too."""
    app.before_request(begin)
    app.after_request(finish)


def begin() -> None:
    """Give the request an id: the trusted proxy's if it sent a well-formed one, else a new one."""
    g.began = perf_counter()
    tracing.begin_request(_given_id() or tracing.new_id())


def finish(response: Response) -> Response:
    """Count the request and log it. The answer names its id."""
    context, facts = request_ctx._get_current_object(), g._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001  a proxy costs each time
    seconds = perf_counter() - facts.began
    rule, status = context.request.url_rule, response.status_code
    listener = str(context.app.config["LISTENER"])
    route = UNMATCHED if rule is None else rule.rule
    method = context.request.method
    if method not in METHODS:
        method = "other"
    metrics.HTTP_REQUESTS.inc(listener=listener, route=route, method=method, status=str(status))
    metrics.HTTP_SECONDS.observe(seconds, listener=listener, route=route)
    response.headers[HEADER] = request_id()
    if log.isEnabledFor(logging.INFO):
        common = (("listener", listener), ("route", route), ("method", method), ("status", status))
        said = {"ms": round(seconds * 1000, 1), **_caller(facts), **tracing.facts()}
        log.handle(RequestLine(log, common, said))
    return response


def request_id() -> str:
    """The id of this request, which the log knows; people read it out."""
    return tracing.request_id() or ""


def count_limit(problem: Problem) -> None:
    """Count a refusal by a limit that a service keeps."""
    if limit := LIMITS.get(type(problem)):
        metrics.LIMITS.inc(limit=limit)


def about_address(address: str, *, from_memory: bool = False) -> None:
    """Note in the line of this request whom it is about, as a keyed hash.

    `from_memory`: only if this process has read the key before, for answers that must not wait for
    the database.
    """
    hashes = services.hashes
    mark = hashes.mark_without_database(address) if from_memory else services.mark_of(address)
    if mark:
        tracing.note(address=mark)


def _given_id() -> str | None:
    given = request.headers.get(HEADER)
    if given is None or not tracing.WELL_FORMED.fullmatch(given):
        return None
    trusted = services.settings.trusted_proxies
    return given if is_trusted_peer(request.remote_addr or "", trusted) else None


def _caller(facts: Any) -> dict[str, str]:
    """The homeserver whose credential or whose user's token the request had. `facts`: Flask's `g`."""
    named = facts.get("named_homeserver")
    account = facts.get("identity_account")
    if named is None and account is not None:
        named = homeserver_in(account.user_id)
    return {"homeserver": named} if named else {}
