"""Asks a homeserver whether it has an account that a loaded backup lost. Changes nothing there."""

import logging

from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from identity.accounts import models as accounts
from identity.core import retries
from identity.core.http_client import Away
from identity.core.job_outcomes import GiveUp, Later, RecordOutcome, record_nothing
from identity.core.outbox import Job
from identity.core.sealing import CannotOpen
from identity.homeservers import models as homeservers
from identity.homeservers.admin_client import Refused
from identity.registration import after_restore
from identity.services import WorkerServices

log = logging.getLogger(__name__)


def look_for_account(services: WorkerServices, job: Job) -> RecordOutcome:
    """Ask for the address of a request, and record the account that has it.

    Where Guichet makes no accounts, nobody can be asked: a module there reports its addresses.
    """
    rules = services.rules.current()
    with services.database.reading() as session:
        request = after_restore.find_lost(session, job.subject_id)
        if request is None:
            return record_nothing
        account = accounts.find_by_address(session, request.address)
        name = rules.decide(EmailAddress.stored(request.address)).homeserver
        homeserver = homeservers.find(session, account.homeserver if account else name or "")
    try:
        connector = services.connector_for(homeserver) if homeserver else None
        holder = connector.holder_of(request.address) if connector else None
    except (Refused, CannotOpen) as error:
        raise GiveUp(str(error) or type(error).__name__) from None
    except Away as away:
        now = services.now()
        pause = retries.REVOCATION.next_pause(job.attempts, began_at=job.created_at, now=now)
        if pause is None:
            raise GiveUp(str(away)) from None
        raise Later(str(away), pause) from None
    if holder is None:
        return record_nothing

    def record(session: Session) -> None:
        if after_restore.recognise(session, rules, services.now(), request.id, holder):
            log.info("an account that was made after the backup is known again")

    return record
