"""`/health`: what doctor found last, the processes, and how many jobs wait."""

from typing import Any

from sqlalchemy.orm import Session

from identity import migrations
from identity.core import nodes, waiting_jobs
from identity.core.outbox import JobKind
from identity.health import finding_models, looking, views
from identity.operators.kept_answers import Answer
from identity.operators.roles import Deed
from identity.web.request_context import services

from . import frame


@frame.writes("/health/look", Deed.SEE, frame.Said)
def look_at_health(session: Session, _given: frame.Said) -> Answer:
    """Let the worker run the checks of doctor now."""
    ordered = looking.order(session, services.now(), JobKind.HEALTH)
    return frame.under_way({"ordered": ordered}, "/health")


@frame.reads("/health", Deed.SEE)
def show_health(session: Session) -> dict[str, Any]:
    """Each finding with what mends it, stored by the worker every five minutes."""
    now, database_now = services.now(), services.database_now()
    found = finding_models.find_all(session)
    running = views.of_interest(nodes.find_all(session), database_now)
    return {
        "findings": [views.describe_finding(each) for each in found],
        "lanes": views.describe_lanes(waiting_jobs.measure(session, now)),
        "processes": [views.describe_node(each, database_now) for each in running],
        "schema": migrations.newest_revision(),
    }
