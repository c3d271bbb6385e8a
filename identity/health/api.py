"""The endpoints /healthz (this process runs) and /readyz (it can work, and what is degraded)."""

import logging
from collections.abc import Iterator
from datetime import timedelta
from http import HTTPStatus

from flask import Blueprint, Response, jsonify
from sqlalchemy.exc import SQLAlchemyError

from identity.core import outbox
from identity.invitations import models as third_party_invitations, search as invitation_search
from identity.invitations.models import Delivery
from identity.web.api_errors import AWAY_RETRY
from identity.web.guards import anyone
from identity.web.request_context import services

log = logging.getLogger(__name__)

# The worker looks for jobs every 15 seconds: older ones wait for a relay or a homeserver.
LATE = timedelta(minutes=10)

blueprint = Blueprint("health", __name__)
blueprint.before_request(anyone)


@blueprint.get("/healthz")
def live() -> Response:
    """Answer without any check, so that a process is not killed because its database is away."""
    return jsonify(status="live")


@blueprint.get("/readyz")
def ready() -> Response:
    """Report what is degraded.

    Degraded is still 200: a node with older rules is better than none.
    """
    waiting = _waiting()
    try:
        services.rules.current()
    except SQLAlchemyError:
        response = jsonify(status="unready", degraded=["database", "rules"])
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
        response.headers["Retry-After"] = str(AWAY_RETRY)
        return response
    degraded = list(_degraded(waiting))
    dead, held = (None, None) if waiting is None else _dead_and_held()
    oldest = None if waiting is None else int(waiting.total_seconds())
    return jsonify(
        status="degraded" if degraded else "ready",
        degraded=degraded,
        oldest_outbox_entry_seconds=oldest,
        dead_deliveries=dead,
        held_invitations=held,
    )


def _waiting() -> timedelta | None:
    """How long the oldest due job has waited; None if the database does not answer."""
    try:
        with services.database.reading() as session:
            due_since = [
                oldest for _count, oldest in outbox.depth_by_lane(session, services.now()).values()
            ]
    except SQLAlchemyError as error:
        log.warning("readiness: the database is away: %s", type(error).__name__)
        return None
    return max(services.now() - min(due_since), timedelta()) if due_since else timedelta()


def _dead_and_held() -> tuple[int | None, int | None]:
    """How many invitations could not be delivered to a homeserver (`onbind`).

    And how many invitation mails wait long for a homeserver to confirm the invitation.
    """
    try:
        with services.database.reading() as session:
            dead = third_party_invitations.count_by_delivery(session).get(Delivery.DEAD, 0)
            return dead, invitation_search.count_held(session, services.now() - LATE)
    except SQLAlchemyError:
        return None, None  # `_waiting` has logged it


def _degraded(waiting: timedelta | None) -> Iterator[str]:
    if waiting is None:
        yield "database"
    if services.rules.degraded:
        yield "rules"
    if services.limits.degraded:
        yield "limits"
    if waiting is not None and waiting > LATE:
        yield "outbox"
