"""/api/homeserver/v1: what our modules in homeservers decide by, and what they report."""

import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, current_app, jsonify, request
from flask.blueprints import BlueprintSetupState

from domain_rules import wire_format
from identity.accounts.feed_state import FeedState
from identity.homeservers import modules as homeserver_modules
from identity.invitations import inviters
from identity.keys import service as signing_keys
from identity.problems import TooMuchAtOnce, WrongParameter
from identity.synapse_api import reports as module_reports
from identity.synapse_api import sync as module_feeds
from identity.synapse_api.sync import Answer, RulesFeed
from identity.web import parameters
from identity.web.api_guards import homeserver_of_module, module_in_homeserver
from identity.web.json_body import Body, read_body
from identity.web.request_context import services

MAX_REPORTS = 100
MAX_DIGITS = 15
FEED = "guichet_rules_feed"

blueprint = Blueprint("homeserver", __name__, url_prefix="/api/homeserver/v1")
blueprint.before_request(module_in_homeserver)


@blueprint.record
def keep_a_feed(setup: BlueprintSetupState) -> None:
    """What is sent is made once for each application, not once for each homeserver that asks."""
    setup.app.extensions[FEED] = RulesFeed()


class Reports(Body):
    """Each is looked at for itself: one that cannot be read does not keep the others."""

    reports: list[dict[str, Any]]


@blueprint.get("/rules")
def rules() -> Response:
    """The rules of now, with what the asking homeserver is and what the others are.

    The query says what the module can do; modules of before say nothing. The answer is in the newest version
    that both sides know.
    """
    feed: RulesFeed = current_app.extensions[FEED]
    homeserver, settings = homeserver_of_module(), services.settings
    names = {*settings.names, urlsplit(settings.public_url).netloc}
    version = min(_hear(homeserver), wire_format.VERSION)

    def answer(state: FeedState) -> Answer:
        with services.database.reading() as session:
            paused = inviters.paused_on(session, services.now(), homeserver)
            return feed.answer(
                session, state, homeserver=homeserver, names=names, version=version, paused=paused
            )

    return _unless_known(answer)


@blueprint.get("/agents")
def agents() -> Response:
    """Who became an agent, or ceased to be one, on homeservers of both kinds since the asking module heard of it."""
    (text,) = parameters.required("since")
    if not (text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS):
        raise WrongParameter("since is no number.")
    since = int(text)
    _judge()

    def answer(_: FeedState) -> Answer:
        with services.database.reading() as session:
            state = module_feeds.state(session)
            return module_feeds.agents_since(session, state or _first_state(), since)

    return _unless_known(answer)


@blueprint.post("/reports")
def reports() -> Response:
    """What the module saw; each report counts once, however often it is sent."""
    asked = read_body(Reports)
    if len(asked.reports) > MAX_REPORTS:
        raise TooMuchAtOnce(f"At most {MAX_REPORTS} reports at once.")
    ids = [_id(each) for each in asked.reports]
    results = []
    for report_id, each in zip(ids, asked.reports, strict=True):
        with services.database.transaction() as session:
            outcome = module_reports.take(
                session,
                services.rules.current(),
                services.now(),
                policy=services.settings.association_policy,
                homeserver=homeserver_of_module(),
                report_id=report_id,
                said=each,
                hashes=services.hashes,
            )
        results.append({"id": str(each["id"])} | outcome.told)
    return jsonify({"results": results, "epoch": _state().epoch})


def _unless_known(answer: Callable[[FeedState], Answer]) -> Response:
    """The answer; 304 if the module has it. A module that has more than there is brings a new epoch about."""
    state = _state()
    made = answer(state)
    tags = request.if_none_match.as_set(include_weak=True)
    if any(module_feeds.is_behind(state, made.number, tag) for tag in tags):
        with services.database.transaction() as session:
            state = module_feeds.begin_epoch(session, state)
        made = answer(state)
    response = Response(made.body, mimetype="application/json")
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Vary"] = "Authorization"
    response.set_etag(made.tag)
    response.make_conditional(request)
    return response


def _state() -> FeedState:
    with services.database.reading() as session:
        state = module_feeds.state(session)
    return state or _first_state()


def _first_state() -> FeedState:
    """Nobody asked before: there shall be an epoch, and a key to know our signatures by."""
    with services.database.transaction() as session:
        signing_keys.current(session, services.vault, services.now())
        return module_feeds.make_state(session)


def _hear(homeserver: str) -> int:
    """The version of the module. What it says of itself is written down; not each time, for it may ask every second."""
    said = parameters.optional("version", "reports", "actions", "skipped")
    declared = homeserver_modules.read(*said)
    now = services.now()
    with services.database.reading() as session:
        is_news = homeserver_modules.is_news(session, now, homeserver, declared)
    if is_news:
        with services.database.transaction() as session:
            homeserver_modules.hear(session, now, homeserver, declared)
    return declared.version


def _judge() -> None:
    """Bring the list of agents up to date with addresses and rules, if anything changed."""
    in_force = services.rules.current()
    with services.database.reading() as session:
        is_due = module_feeds.needs_judging(session, in_force, services.now())
    if is_due:
        with services.database.transaction() as session:
            module_feeds.judge(session, in_force, services.now())


def _id(report: dict[str, Any]) -> uuid.UUID:
    try:
        return uuid.UUID(report.get("id"))
    except (AttributeError, TypeError, ValueError):
        raise WrongParameter("Every report has an id, which is a UUID.") from None
