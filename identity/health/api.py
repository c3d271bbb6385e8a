"""The endpoints /healthz (this process runs), /readyz (what is degraded) and /metrics (figures)."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from flask import Blueprint, Flask, Response, current_app, jsonify
from sqlalchemy.exc import SQLAlchemyError

from identity import migrations
from identity.core import exposition, measuring
from identity.invitations import measuring as invitations
from identity.invitations.models import Delivery
from identity.migrations import Schema, loading
from identity.web.api_errors import AWAY_RETRY
from identity.web.guards import anyone, homeserver
from identity.web.request_context import EXTENSION, services

from .faults import FaultName, find_faults, find_waiting
from .measured import DatabaseMetrics

log = logging.getLogger(__name__)

DATABASE_METRICS = "guichet metrics"

blueprint = Blueprint("health", __name__)
blueprint.before_request(anyone)
metrics = Blueprint("metrics", __name__)
metrics.before_request(homeserver)


@dataclass(frozen=True)
class Seen:
    """What the database shows. `oldest`: for how many seconds the oldest due job has waited.

    `dead` and `held` count invitations up to `measuring.MOST`.
    """

    schema: Schema
    faults: Sequence[FaultName] = ()
    oldest: int | None = None
    dead: int | None = None
    held: int | None = None  # invitations whose mail waits for the room, not `FaultName.HELD`


@blueprint.get("/healthz")
def live() -> Response:
    """Answer without any check, so that a process is not killed because its database is away."""
    return jsonify(status="live")


@blueprint.get("/readyz")
def ready() -> Response:
    """Report what is degraded, and what operators have frozen.

    Degraded is still 200: a node with older rules is better than none. A node whose code needs a
    newer schema, or whose tables are being loaded, is not ready (503); one version older than the
    schema is.
    """
    seen = _look()
    if seen is not None and seen.schema is Schema.OLDER:
        return _unready(["schema"])
    try:
        services.rules.current()
    except SQLAlchemyError:
        return _unready([FaultName.DATABASE, FaultName.RULES])
    degraded = list(seen.faults) if seen else [FaultName.DATABASE]
    if not services.database.takes_changes and FaultName.DATABASE not in degraded:
        degraded.insert(0, FaultName.DATABASE)  # its disk is full, for instance
    if services.rules.degraded:
        degraded.append(FaultName.RULES)
    if services.limits.degraded:
        degraded.append(FaultName.LIMITS)
    return jsonify(
        status="degraded" if degraded else "ready",
        degraded=degraded,
        oldest_outbox_entry_seconds=seen and seen.oldest,
        dead_deliveries=seen and seen.dead,
        held_invitations=seen and seen.held,
        frozen=[each.key for each in services.freezes.current().each],
    )


@metrics.get("/metrics")
def show_metrics() -> Response:
    """What Prometheus asks for: counted by all processes of this node's web, and by the database."""
    database: DatabaseMetrics = current_app.extensions[DATABASE_METRICS]
    return Response(exposition.show(database.collect), content_type=exposition.CONTENT_TYPE)


def register_metrics(app: Flask) -> None:
    """On the internal listener only: nothing of this is for strangers."""
    app.extensions[DATABASE_METRICS] = DatabaseMetrics(app.extensions[EXTENSION])
    app.register_blueprint(metrics)


def _unready(why: list[str]) -> Response:
    response = jsonify(status="unready", degraded=why)
    response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    response.headers["Retry-After"] = str(AWAY_RETRY)
    return response


def _look() -> Seen | None:
    """What the database shows; None if it does not answer."""
    now, database_now = services.now(), services.database_now()
    try:
        with services.database.reading() as session:
            schema = migrations.compare_schema(migrations.revision_of(session))
            if schema is Schema.OLDER or (schema is Schema.SAME and not loading.is_whole(session)):
                return Seen(Schema.OLDER)
            measuring.read_by_index(session)
            waiting = find_waiting(session, now)
            faults = find_faults(session, database_now, waiting)
            measured = invitations.measure(session, now)
            return Seen(
                schema,
                faults=list(dict.fromkeys(each.name for each in faults)),
                oldest=int((now - waiting[0].created_at).total_seconds()) if waiting else 0,
                dead=measured.undelivered[Delivery.DEAD],
                held=measured.held,
            )
    except SQLAlchemyError as error:
        log.warning("readiness: the database is away: %s", type(error).__name__)
        return None
