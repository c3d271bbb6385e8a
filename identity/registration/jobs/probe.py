"""A homeserver that was away is asked whether accounts can be made again; if so, who waited is told."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from identity.core import outbox
from identity.core.http_client import Away
from identity.core.job_outcomes import GiveUp, Later, Note, nothing
from identity.core.outbox import Job, JobKind, Lane
from identity.core.sealing import CannotOpen
from identity.homeservers import breakers as homeserver_breakers
from identity.homeservers import models as homeservers
from identity.homeservers.admin_client import Refused
from identity.homeservers.models import Homeserver
from identity.mail import models as mails
from identity.mail.models import Template
from identity.services import WorkerServices
from identity.sign_up.models import VerificationRequest
from identity.sign_up.service import CONFIRMED_LIFETIME, Step, step_of

PROBE_DELAYS: Final = (
    timedelta(seconds=15),
    timedelta(seconds=30),
    timedelta(minutes=1),
    timedelta(minutes=5),
)


def probe_server(services: WorkerServices, entry: Job) -> Note:
    """Ask a homeserver that was away whether accounts can be made again; if so, write to who waits."""
    now = services.now()
    if entry.lane == Lane.ACCOUNTS:  # no worker answered then; this one does
        return _probing_in_bulk(entry, now)
    with services.database.reading() as session:
        request = session.get(VerificationRequest, entry.subject_id)
        if request is None or step_of(request, now) is not Step.CONFIRMED:
            return nothing
        address = EmailAddress.stored(request.address)
        name = services.rules.current().decide(address).homeserver
        homeserver = homeservers.find(session, name or "")
    try:
        if homeserver is not None:
            _probe(services, homeserver)
    except (Away, Refused, CannotOpen) as error:
        delay = PROBE_DELAYS[min(entry.attempts, len(PROBE_DELAYS)) - 1]
        why = str(error) or type(error).__name__
        if now + delay >= (request.confirmed_at or now) + CONFIRMED_LIFETIME:
            raise GiveUp(why) from None
        raise Later(why, delay) from None
    return lambda session: _order_server_ready(session, services.now(), request)


def _probe(services: WorkerServices, homeserver: Homeserver) -> None:
    """Raises Away, Refused, CannotOpen; Away too where somebody else has just found it away."""
    connector = services.connector_for(homeserver)
    if connector is None:
        return
    name = homeserver.name
    with services.database.transaction() as session:
        breaker = homeserver_breakers.lock(session, name)
        if not homeserver_breakers.admit(breaker, services.now()):
            raise Away("it was found away a moment ago")
    try:
        connector.probe()
    except Away:
        with services.database.transaction() as session:
            homeserver_breakers.failed(session, services.now(), name)
        raise
    with services.database.transaction() as session:
        homeserver_breakers.answered(session, name)


def _probing_in_bulk(entry: Job, now: datetime) -> Note:
    return lambda session: outbox.enqueue(
        session, JobKind.SERVER_PROBE, entry.subject_id, now, lane=Lane.BULK
    )


def _order_server_ready(session: Session, now: datetime, request: VerificationRequest) -> None:
    mails.order(
        session,
        now,
        template=Template.SERVER_READY,
        address=request.address,
        language=request.language,
        subject_id=request.id,
    )
