"""The job that probes a homeserver that did not answer, and writes to those who wait for it."""

from datetime import datetime

from domain_rules.addresses import EmailAddress
from identity.core import outbox, retries
from identity.core.http_client import Away
from identity.core.job_outcomes import GiveUp, Later, RecordOutcome, record_nothing
from identity.core.outbox import Job, JobKind, Lane
from identity.core.sealing import CannotOpen
from identity.freezes import service as freezes
from identity.homeservers import (
    breakers as homeserver_breakers,
    models as homeservers,
    standing as homeserver_standing,
)
from identity.homeservers.admin_client import Refused
from identity.homeservers.models import Homeserver
from identity.mail.quota import Template
from identity.services import WorkerServices
from identity.sign_up import service as sign_up
from identity.sign_up.models import VerificationRequest
from identity.sign_up.visibility import CONFIRMED_LIFETIME, Step, step_of


def probe_homeserver(services: WorkerServices, job: Job) -> RecordOutcome:
    """Probe the homeserver of a request; once it can create accounts again, order the mail.

    Raises Stopped while no account can be made.
    """
    now = services.now()
    if job.lane == Lane.ACCOUNTS:  # enqueued while no worker was there; this one is
        return _probing_in_bulk(job, now)
    with services.database.reading() as session:
        request = session.get(VerificationRequest, job.subject_id)
        if request is None or step_of(request, now) is not Step.CONFIRMED:
            return record_nothing
        address = EmailAddress.stored(request.address)
        name = services.rules.current().decide(address).homeserver
        homeserver = homeservers.find(session, name or "")
        freezes.check_sign_up(session, now, address)
    try:
        if homeserver is not None:
            _probe(services, homeserver)
    except (Away, Refused, CannotOpen) as error:
        pause = retries.HOMESERVER_PROBE.pause_after(job.attempts)
        why = str(error) or type(error).__name__
        if now + pause >= (request.confirmed_at or now) + CONFIRMED_LIFETIME:
            raise GiveUp(why) from None
        raise Later(why, pause) from None
    return lambda session: sign_up.order_mail(
        session, services.now(), request, Template.SERVER_READY
    )


def _probe(services: WorkerServices, homeserver: Homeserver) -> None:
    """Raises Away, Refused, CannotOpen, HomeserverHeld; Away also while the breaker is open."""
    homeserver_standing.check_reachable(homeserver, services.now())
    connector = services.connector_for(homeserver)
    if connector is None:
        return
    name = homeserver.name
    with services.database.transaction() as session:
        breaker = homeserver_breakers.lock(session, name)
        if not homeserver_breakers.admit_call(breaker, services.now()):
            raise Away("it was found away a moment ago")
    try:
        connector.probe()
    except Away:
        with services.database.transaction() as session:
            homeserver_breakers.record_failure(session, services.now(), name)
        raise
    with services.database.transaction() as session:
        homeserver_breakers.record_answer(session, name)


def _probing_in_bulk(job: Job, now: datetime) -> RecordOutcome:
    return lambda session: outbox.enqueue(
        session,
        JobKind.SERVER_PROBE,
        job.subject_id,
        now,
        lane=Lane.BULK,
        homeserver=job.homeserver,
    )
