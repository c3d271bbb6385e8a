"""/healthz: this process lives. /readyz: what it stands on, and what of that is degraded."""

import logging
from collections.abc import Iterator
from datetime import timedelta
from http import HTTPStatus

from flask import Blueprint, Response, jsonify
from sqlalchemy.exc import SQLAlchemyError

from identity.core import outbox
from identity.invitations import models as third_party_invitations
from identity.invitations import search as invitation_search
from identity.invitations.models import Delivery
from identity.web.api_errors import AWAY_RETRY
from identity.web.api_guards import anyone
from identity.web.request_context import services

log = logging.getLogger(__name__)

# A sweep finds everything within 15 seconds: what is older waits for a relay or a homeserver.
LATE = timedelta(minutes=10)

blueprint = Blueprint("health", __name__)
blueprint.before_request(anyone)


@blueprint.get("/healthz")
def live() -> Response:
    """Asks nothing of anybody, so that a process is not killed because its database is away."""
    return jsonify(status="live")


@blueprint.get("/readyz")
def ready() -> Response:
    """Degraded is still 200: a node that decides by older rules serves people better than none."""
    waiting = _waiting()
    try:
        services.rules.current()
    except SQLAlchemyError:
        response = jsonify(status="unready", degraded=["database", "rules"])
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
        response.headers["Retry-After"] = str(AWAY_RETRY)
        return response
    degraded = list(_degraded(waiting))
    oldest = None if waiting is None else int(waiting.total_seconds())
    return jsonify(
        status="degraded" if degraded else "ready",
        degraded=degraded,
        oldest_outbox_entry_seconds=oldest,
        dead_deliveries=None if waiting is None else _dead(),
        held_invitations=None if waiting is None else _held(),
    )


def _waiting() -> timedelta | None:
    """How long the oldest errand has waited; None if the database does not say."""
    try:
        with services.database.reading() as session:
            ordered = [oldest for _count, oldest in outbox.depth(session, services.now()).values()]
    except SQLAlchemyError as error:
        log.warning("readiness: the database is away: %s", type(error).__name__)
        return None
    return max(services.now() - min(ordered), timedelta()) if ordered else timedelta()


def _dead() -> int | None:
    """Invitations that no homeserver could be told of: an operator looks (`guichet invitation list`)."""
    try:
        with services.database.reading() as session:
            return third_party_invitations.counts(session).get(Delivery.DEAD, 0)
    except SQLAlchemyError:
        return None  # said above


def _held() -> int | None:
    """Mails of invitations that wait for long till a homeserver says that the room took them."""
    try:
        with services.database.reading() as session:
            return invitation_search.held(session, services.now() - LATE)
    except SQLAlchemyError:
        return None  # said above


def _degraded(waiting: timedelta | None) -> Iterator[str]:
    if waiting is None:
        yield "database"
    if services.rules.degraded:
        yield "rules"
    if services.limits.degraded:
        yield "limits"
    if waiting is not None and waiting > LATE:
        yield "outbox"
