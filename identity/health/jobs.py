"""What the worker looks at for the console: doctor's checks, the homeservers, and the journal."""

import time
from typing import Final

from identity.core import journal_checks
from identity.core.http_client import Away
from identity.core.job_outcomes import RecordOutcome, record_nothing
from identity.core.outbox import Job
from identity.homeservers import health_models, models as homeservers, standing
from identity.homeservers.admin_client import Refused
from identity.homeservers.models import Homeserver
from identity.rule_changes import journal_check
from identity.services import WorkerServices

from . import finding_models
from .checks.everything import ask_versions, check_all

MILLISECONDS: Final = 1000


def carry_out_look(services: WorkerServices, _job: Job) -> RecordOutcome:
    """Look at everything, as `look`."""
    look(services)
    return record_nothing


def carry_out_journal_check(services: WorkerServices, _job: Job) -> RecordOutcome:
    """Verify the journal, as `check_journal`."""
    check_journal(services)
    return record_nothing


def look(services: WorkerServices) -> None:
    """Ask each homeserver how fast it answers, run doctor's checks, and keep what they found."""
    with services.database.reading() as session:
        now = services.now()
        found = [each for each in homeservers.find_all(session) if standing.is_reachable(each, now)]
    for each in found:
        taken = _milliseconds(each)
        with services.database.transaction() as session:
            health_models.record(session, services.now(), each.name, taken)
    findings = list(check_all(services))
    with services.database.transaction() as session:
        finding_models.replace(session, services.now(), findings)


def check_journal(services: WorkerServices) -> None:
    """Verify the journal and the revisions, and keep what was found."""
    with services.database.reading() as session:
        done = journal_check.verify(session)
    with services.database.transaction() as session:
        journal_checks.record(session, services.now(), done)


def _milliseconds(homeserver: Homeserver) -> int | None:
    """How long it took to answer which versions of Matrix it speaks; None: it did not answer."""
    began = time.monotonic()
    try:
        ask_versions(homeserver)
    except (Away, Refused):
        return None
    return round((time.monotonic() - began) * MILLISECONDS)
