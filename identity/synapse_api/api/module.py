"""/rules, /agents and /reports of /api/homeserver/v1, for our module in a homeserver."""

import logging
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, current_app, jsonify, request
from flask.blueprints import BlueprintSetupState

from identity.accounts import feed_state
from identity.accounts.feed_state import FeedState
from identity.core import continuity
from identity.core.database_faults import AWAY
from identity.homeservers import modules as homeserver_modules
from identity.homeservers.modules import Revisions
from identity.invitations import inviters
from identity.keys import service as signing_keys
from identity.problems import TooMuchAtOnce, WrongParameter
from identity.synapse_api import reports as module_reports, sync
from identity.synapse_api.last_answers import LastAnswers
from identity.synapse_api.sync import Answer, RulesFeed
from identity.web import parameters
from identity.web.guards import homeserver_of_module, module_in_homeserver
from identity.web.json_body import Body, read_body
from identity.web.request_context import services

MAX_REPORTS = 100  # in one request
MAX_DIGITS = 15  # of the number `since`
FEED, LAST = "guichet_rules_feed", "guichet_last_answers"

log = logging.getLogger(__name__)

blueprint = Blueprint("homeserver", __name__, url_prefix="/api/homeserver/v1")
blueprint.before_request(module_in_homeserver)


@blueprint.record
def add_feed(setup: BlueprintSetupState) -> None:
    """Cache the rules feed in the application: it is composed once, not for each homeserver."""
    setup.app.extensions[FEED] = RulesFeed()
    setup.app.extensions[LAST] = LastAnswers()


class Reports(Body):
    """The body of POST /reports. Each report is read separately: a wrong one stops no other."""

    reports: list[dict[str, Any]]


@blueprint.get("/rules")
def rules() -> Response:
    """The current rules, with the kinds of the calling and the other homeservers.

    The query says what the module supports, which is recorded with the revision that it has now.
    While the database is away, the answer is the last one of this process to this homeserver.
    """
    last: LastAnswers = current_app.extensions[LAST]
    homeserver = homeserver_of_module()
    try:
        made = last.rules[homeserver] = _make(partial(_compose_rules, homeserver))
        _record_module(homeserver, made)
    except AWAY as error:
        if homeserver not in last.rules:
            raise
        log.warning("rules feed: from memory, the database is away: %s", type(error).__name__)
        made = last.rules[homeserver]
    return _respond(made)


def _compose_rules(homeserver: str, state: FeedState) -> Answer:
    feed: RulesFeed = current_app.extensions[FEED]
    settings = services.settings
    names = {*settings.names, urlsplit(settings.public_url).netloc}
    with services.database.reading() as session:
        paused = inviters.find_paused(session, services.now(), homeserver)
        return feed.answer(session, state, homeserver=homeserver, names=names, paused=paused)


@blueprint.get("/agents")
def agents() -> Response:
    """Who became an agent, or is none any more, on mixed homeservers since the number `since`.

    While the database is away, a module that has everything hears that there is no news.
    """
    (text,) = parameters.required("since")
    if not (text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS):
        raise WrongParameter("since is no number.")
    since = int(text)
    last: LastAnswers = current_app.extensions[LAST]
    try:
        _classify_agents()
        return _respond(_make(partial(_compose_agents, last, since)))
    except AWAY as error:
        remembered = last.no_news_of_agents(since)
        if remembered is None:
            raise
        log.warning("agents feed: from memory, the database is away: %s", type(error).__name__)
        return _respond(remembered)


def _compose_agents(last: LastAnswers, since: int, _state: FeedState) -> Answer:
    with services.database.reading() as session:
        state = feed_state.find_state(session) or _first_state()
        made = sync.agents_since(session, state, since)
    last.keep_agents(state.epoch, made)
    return made


@blueprint.post("/reports")
def reports() -> Response:
    """Process what the module reports; each report counts once, however often it is sent."""
    body = read_body(Reports)
    if len(body.reports) > MAX_REPORTS:
        raise TooMuchAtOnce(f"At most {MAX_REPORTS} reports at once.")
    ids = [_id(each) for each in body.reports]
    results = []
    for report_id, each in zip(ids, body.reports, strict=True):
        with services.database.transaction() as session:
            outcome = module_reports.process(
                session,
                services.rules.current(),
                services.now(),
                policy=services.settings.association_policy,
                homeserver=homeserver_of_module(),
                report_id=report_id,
                content=each,
                hashes=services.hashes,
            )
        results.append({"id": str(each["id"])} | outcome.described)
    return jsonify({"results": results, "epoch": _state().epoch})


def _make(compose: Callable[[FeedState], Answer]) -> Answer:
    """The answer of a feed.

    If the module has a higher number than the database, a backup was restored without
    `guichet restore begin`: begin a new epoch, and let operators know.
    """
    state = _state()
    made = compose(state)
    tags = request.if_none_match.as_set(include_weak=True)
    if any(sync.is_behind(state, made.number, tag) for tag in tags):
        with services.database.transaction() as session:
            continuity.record_module_ahead(session, services.now(), homeserver_of_module())
            state = sync.begin_epoch(session, state)
        made = compose(state)
    return made


def _respond(made: Answer) -> Response:
    """The response with this answer, 304 if the module has it already."""
    response = Response(made.body, mimetype="application/json")
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Vary"] = "Authorization"
    response.set_etag(made.tag)
    response.make_conditional(request)
    return response


def _state() -> FeedState:
    with services.database.reading() as session:
        state = feed_state.find_state(session)
    return state or _first_state()


def _first_state() -> FeedState:
    """Create the state at the first request, and the signing key that the module verifies with."""
    with services.database.transaction() as session:
        signing_keys.current_key(session, services.vault, services.now())
        return feed_state.lock_state(session)


def _record_module(homeserver: str, made: Answer) -> None:
    """Record what the module says of itself and which rules it has, if that changed or is old."""
    declared_texts = parameters.optional("version", "reports", "actions", "skipped")
    declared = homeserver_modules.read_declaration(*declared_texts)
    tags = request.if_none_match.as_set(include_weak=True)
    now = services.now()
    with services.database.reading() as session:
        held = sync.find_held(made, tags, homeserver_modules.find_sent(session, homeserver))
        revisions = Revisions(held, made.number)
        is_news = homeserver_modules.is_changed(session, now, homeserver, declared, revisions)
    if is_news:
        with services.database.transaction() as session:
            homeserver_modules.record_declaration(session, now, homeserver, declared, revisions)


def _classify_agents() -> None:
    """Update the feed of agents if addresses or rules changed."""
    in_force = services.rules.current()
    with services.database.reading() as session:
        is_due = sync.needs_classification(session, in_force, services.now())
    if is_due:
        with services.database.transaction() as session:
            sync.classify_agents(session, in_force, services.now())


def _id(report: dict[str, Any]) -> uuid.UUID:
    try:
        return uuid.UUID(report.get("id"))
    except (AttributeError, TypeError, ValueError):
        raise WrongParameter("Every report has an id, which is a UUID.") from None
