"""The job that creates an account on a homeserver. No transaction is open during a call.

The password is deleted from the database before the homeserver is called. If this process dies
after that, the next worker checks the result: either the account exists, or the person types the
password again.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from pydantic import SecretStr
from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from identity import problems
from identity.accounts.models import Account, AccountState
from identity.core import continuity
from identity.core.http_client import Away
from identity.core.job_outcomes import Later, RecordOutcome, record_nothing
from identity.core.outbox import Job
from identity.core.sealing import CannotOpen
from identity.homeservers import (
    breakers as homeserver_breakers,
    models as homeservers,
    secrets as homeserver_secrets,
    standing as homeserver_standing,
)
from identity.homeservers.admin_client import Connector, Found, NameTaken, NewAccount, Refused
from identity.homeservers.models import Homeserver
from identity.registration import attempts, models as account_attempts, service as registration
from identity.registration.attempts import CALL_TIME
from identity.registration.models import AccountAttempt, AttemptState
from identity.services import WorkerServices
from identity.sign_up import openness
from identity.sign_up.models import VerificationRequest

log = logging.getLogger(__name__)

AT_ONCE = 2  # concurrent calls to one homeserver, over all workers
BUSY = timedelta(seconds=1)  # delay of a job while the calls are at that limit
TRIES = 3  # if a user ID turns out to be taken


@dataclass(frozen=True)
class AccountJob:
    """An attempt with its account, homeserver and connector."""

    attempt: AccountAttempt
    account: Account
    homeserver: Homeserver
    connector: Connector


def make_account(services: WorkerServices, queued: Job) -> RecordOutcome:
    """Create the account of one attempt and record how that ended. No call is made twice."""
    job = _job(services, queued)
    if job is None:
        return record_nothing
    if job.attempt.state == AttemptState.CALLING:
        _end(services, job.attempt, _call(services, job, lambda: _resumed(services, job)))
    elif (password := _take_password(services, job)) is not None:
        _end(services, job.attempt, _call(services, job, lambda: _make(services, job, password)))
    return record_nothing


def _job(services: WorkerServices, queued: Job) -> AccountJob | None:
    """Load the attempt; None if there is nothing to do, or if it had to be ended here."""
    with services.database.reading() as session:
        attempt = account_attempts.find(session, queued.subject_id)
        if attempt is None or attempt.state not in {AttemptState.WAITING, AttemptState.CALLING}:
            return None
        account = session.get(Account, attempt.account_id)
        homeserver = homeservers.find(session, attempt.homeserver)
        stopped = _state_if_stopped(services, session, attempt, homeserver)
    if stopped is not None:
        _end(services, attempt, stopped)
        return None
    try:
        connector = services.connector_for(homeserver) if homeserver else None
    except CannotOpen:
        # No traceback: a key is missing, the code is not at fault.
        log.error("homeserver %s: no key here opens its secrets", attempt.homeserver)  # noqa: TRY400
        _end(services, attempt, AttemptState.AWAY)
        return None
    if account is None or homeserver is None or connector is None:
        _end(services, attempt, AttemptState.AGAIN)
        return None
    return AccountJob(attempt, account, homeserver, connector)


def _state_if_stopped(
    services: WorkerServices,
    session: Session,
    attempt: AccountAttempt,
    homeserver: Homeserver | None,
) -> AttemptState | None:
    """How an attempt ends whose password is still here, if operators stopped what it needs.

    One whose call began waits, if its homeserver is held, to see how that call ended.
    """
    request = session.get(VerificationRequest, attempt.request_id)
    if attempt.state != AttemptState.WAITING or request is None:
        return None
    rules, now = services.rules.current(), services.now()
    try:
        openness.check_open(session, rules, now, EmailAddress.stored(request.address))
        if homeserver is not None:
            homeserver_standing.check_reachable(homeserver, now)
    except problems.HomeserverHeld:
        return AttemptState.AWAY  # the page says so, and a mail follows
    except (problems.Stopped, problems.HomeserverRetired):
        return AttemptState.AGAIN  # the form says why
    return None


def empty_passwords(services: WorkerServices) -> int:
    """Delete the passwords that no worker took within a minute. Returns how many."""
    with services.database.transaction() as session:
        return account_attempts.delete_passwords(
            session, services.now() - attempts.PASSWORD_LIFETIME
        )


def reseal(services: WorkerServices) -> None:
    """Seal the homeservers' secrets with the current key. Runs at night, when nobody upgrades."""
    try:
        with services.database.transaction() as session:
            count = homeserver_secrets.reseal(
                session, services.vault, services.public_half, services.private_halves
            )
    except CannotOpen:
        # No traceback: the code is not at fault.
        log.error(  # noqa: TRY400
            "secrets of homeservers are not sealed anew: a key that opens them is missing"
        )
        return
    log.info("%d secrets of homeservers sealed anew", count)


def _take_password(services: WorkerServices, job: AccountJob) -> SecretStr | None:
    """Take the password out of the database. None if the attempt has ended instead.

    Raises Later while AT_ONCE calls to this homeserver are under way.
    """
    with services.database.transaction() as session:
        now, name = services.now(), job.homeserver.name
        breaker = homeserver_breakers.lock(session, name)
        if account_attempts.count_calls(session, name, now - CALL_TIME) >= AT_ONCE:
            raise Later(f"{AT_ONCE} calls to this homeserver are under way", BUSY)
        if not homeserver_breakers.admit_call(breaker, now):
            attempts.end(session, now, job.attempt.id, AttemptState.AWAY)
            return None
        sealed = attempts.take_password(session, now, job.attempt.id)
    if sealed is None:
        return None
    try:
        return attempts.open_password(services.private_halves, sealed, job.attempt, job.account)
    except CannotOpen:
        log.warning("a typed password was not for this worker, or for another account")
        _end(services, job.attempt, AttemptState.AGAIN)
        return None


def _call(
    services: WorkerServices, job: AccountJob, ask: Callable[[], AttemptState]
) -> AttemptState:
    """Run `ask`; returns the state it ends in, and records for the breaker whether it answered."""
    name = job.homeserver.name
    try:
        state = ask()
    except Away as away:
        log.warning("homeserver %s: no account made: %s", name, away)
        with services.database.transaction() as session:
            homeserver_breakers.record_failure(session, services.now(), name)
        return AttemptState.AWAY
    except Refused as refused:
        log.warning("homeserver %s: no account made: %s", name, refused)
        state = AttemptState.AWAY
    except problems.AddressTaken:
        state = AttemptState.TAKEN
    except problems.NameRefused:
        state = AttemptState.NAME_REFUSED
    except (problems.NoSuchRequest, problems.InvitationNeeded):
        state = AttemptState.NOT_ALLOWED
    with services.database.transaction() as session:
        homeserver_breakers.record_answer(session, name)
    return state


def _make(services: WorkerServices, job: AccountJob, password: SecretStr) -> AttemptState:
    connector, another_name = job.connector, False
    for _ in range(TRIES):
        account = _claim(services, job, another_name=another_name)
        wanted = _wanted(account, password)
        match connector.look(wanted):
            case Found.NOTHING:
                _mark_seen_free(services, account)
                try:
                    connector.create(wanted, partial(_mark_made, services, job, account))
                except NameTaken:
                    continue  # perhaps by the same person in another browser: look again
            case Found.BEGUN:  # with our creation mark
                _mark_made(services, job, account)
                connector.finish(wanted)
            case Found.FINISHED if _is_ours(services, account):
                connector.finish(wanted)
            case Found.NAME_TAKEN:
                another_name = True
                continue
            case _:
                with services.database.transaction() as session:
                    registration.abandon(session, account.id)
                raise problems.AddressTaken
        return _conclude(services, account)
    raise problems.NameRefused


def _resumed(services: WorkerServices, job: AccountJob) -> AttemptState:
    """A worker died after it took the password: check whether it created the account."""
    is_whole = job.connector.look(_wanted(job.account, SecretStr(""))) is Found.FINISHED
    if is_whole and job.attempt.was_made:
        return _conclude(services, job.account)
    return AttemptState.AGAIN


def _claim(services: WorkerServices, job: AccountJob, *, another_name: bool) -> Account:
    with services.database.transaction() as session:
        request = registration.confirmed_request(session, services.now(), job.attempt.request_id)
        account = registration.claim(
            session,
            services.rules.current(),
            services.now(),
            request=request,
            homeserver=job.homeserver,
            display_name=job.attempt.display_name,
            another_name=another_name,
        )
        account_attempts.set_account(session, job.attempt.id, account.id)
        return account


def _mark_seen_free(services: WorkerServices, account: Account) -> None:
    with services.database.transaction() as session:
        registration.mark_seen_free(_kept(session, account), services.now())


def _mark_made(services: WorkerServices, job: AccountJob, account: Account) -> None:
    with services.database.transaction() as session:
        registration.mark_created(_kept(session, account))
        account_attempts.mark_made(session, job.attempt.id)


def _is_ours(services: WorkerServices, account: Account) -> bool:
    # Read anew: another attempt may have made it after this one took its claim.
    with services.database.reading() as session:
        kept = session.get(Account, account.id)
        if kept is None or continuity.was_restored_after(session, kept.created_at):
            return False  # finished before a backup was loaded, it has a password that is in use
        return kept.state == AccountState.CREATED


def _conclude(services: WorkerServices, account: Account) -> AttemptState:
    with services.database.transaction() as session:
        registration.finish(session, services.now(), _kept(session, account, locks=True))
    return AttemptState.MADE


def _kept(session: Session, account: Account, *, locks: bool = False) -> Account:
    """Its row. Raises NoSuchRequest if the person was erased while the homeserver was called."""
    kept = session.get(Account, account.id, with_for_update=locks)
    if kept is None:
        raise problems.NoSuchRequest
    return kept


def _end(services: WorkerServices, attempt: AccountAttempt, state: AttemptState) -> None:
    """Record the end in its own transaction, so that it holds even if the lease has expired."""
    with services.database.transaction() as session:
        attempts.end(session, services.now(), attempt.id, state)


def _wanted(account: Account, password: SecretStr) -> NewAccount:
    return NewAccount(
        user_id=account.user_id,
        display_name=account.display_name,
        address=account.address,
        password=password,
        mark=account.creation_mark,
    )
