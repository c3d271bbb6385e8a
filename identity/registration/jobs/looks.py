"""Asks a homeserver whether it has an account that a loaded backup lost. Changes nothing there."""

import logging

from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from identity.accounts import models as accounts
from identity.core import retries
from identity.core.http_client import Away
from identity.core.job_outcomes import GiveUp, Later, RecordOutcome, record_nothing
from identity.core.journal import Actor
from identity.core.outbox import Job
from identity.core.sealing import CannotOpen
from identity.homeservers import models as homeservers
from identity.homeservers.admin_client import Refused
from identity.homeservers.breakers import Interface
from identity.homeservers.models import Homeserver
from identity.people import adoption
from identity.people.adoption import Contradiction, FoundAccount
from identity.problems import WrongServer
from identity.registration import after_restore
from identity.services import WorkerServices
from identity.sign_up.models import VerificationRequest

log = logging.getLogger(__name__)

WHO = Actor("restore", "worker", "it was made after the backup that was loaded")


def look_for_account(services: WorkerServices, job: Job) -> RecordOutcome:
    """Ask for the address of a request, and record the account that has it.

    Nobody gets a mail about it, and what is known here of somebody else stays. Where Guichet makes
    no accounts, nobody can be asked: a module there reports its addresses. Raises Later, GiveUp,
    HomeserverHeld.
    """
    with services.database.reading() as session:
        request = after_restore.find_lost(session, job.subject_id)
        if request is None:
            return record_nothing
        account = accounts.find_by_address(session, request.address)
        name = services.rules.current().decide(EmailAddress.stored(request.address)).homeserver
        homeserver = homeservers.find(session, account.homeserver if account else name or "")
    if homeserver is None:
        return record_nothing
    try:
        found = _find(services, homeserver, request)
    except (Refused, CannotOpen) as error:
        raise GiveUp(str(error) or type(error).__name__) from None
    except Away as away:
        now = services.now()
        pause = retries.REVOCATION.next_pause(job.attempts, began_at=job.created_at, now=now)
        if pause is None:
            raise GiveUp(str(away)) from None
        raise Later(str(away), pause) from None
    return _recording(services, request, found) if found else record_nothing


def _find(
    services: WorkerServices, homeserver: Homeserver, request: VerificationRequest
) -> FoundAccount | None:
    """The account with this address there, if it is in use."""
    connector = services.connector_for(homeserver)
    if connector is None:
        return None
    with services.calls.admitted(homeserver.name, Interface.ACCOUNTS):
        holder = connector.holder_of(request.address)
        found = connector.describe(holder) if holder else None
    if found is None or found.is_deactivated or request.address not in found.addresses:
        return None
    return FoundAccount(found.user_id, found.display_name, request.language)


def _recording(
    services: WorkerServices, request: VerificationRequest, found: FoundAccount
) -> RecordOutcome:
    def record(session: Session) -> None:
        if after_restore.find_lost(session, request.id) is None:
            return  # somebody was faster
        try:
            adoption.adopt(
                session,
                services.hashes,
                services.rules.current(),
                services.now(),
                address=EmailAddress.stored(request.address),
                found=found,
                who=WHO,
            )
        except (Contradiction, WrongServer):
            log.warning("an account that was made after the backup contradicts what is known")

    return record
