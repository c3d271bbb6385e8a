"""Accounts are made on homeservers: take the password, ask, conclude. No transaction spans a call.

The password is out of the database before the homeserver is asked. If this process dies after that, the next
looks how it ended: either the account stands, or the person types the password again.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from pydantic import SecretStr

from identity import problems
from identity.accounts.models import Account, AccountState
from identity.core.http_client import Away
from identity.core.job_outcomes import Later, Note, nothing
from identity.core.outbox import Job
from identity.core.sealing import CannotOpen
from identity.homeservers import breakers as homeserver_breakers
from identity.homeservers import models as homeservers
from identity.homeservers import secrets as homeserver_secrets
from identity.homeservers.admin_client import Connector, Found, NameTaken, NewAccount, Refused
from identity.homeservers.models import Homeserver
from identity.registration import attempts
from identity.registration import models as account_attempts
from identity.registration import service as use_case
from identity.registration.attempts import CALL_TIME
from identity.registration.models import AccountAttempt, AttemptState
from identity.services import WorkerServices

log = logging.getLogger(__name__)

AT_ONCE = 2  # calls to one homeserver, by all workers together
BUSY = timedelta(seconds=1)
TRIES = 3  # looks at the homeserver, should a user ID be taken meanwhile


@dataclass(frozen=True)
class AccountJob:
    """One attempt, and what it is about."""

    attempt: AccountAttempt
    account: Account
    homeserver: Homeserver
    connector: Connector


def make(services: WorkerServices, entry: Job) -> Note:
    """Make the account of one attempt; how it ends is told to who waits. No call is made twice."""
    job = _job(services, entry)
    if job is None:
        return nothing
    if job.attempt.state == AttemptState.CALLING:
        _end(services, job.attempt, _asked(services, job, lambda: _how_it_ended(services, job)))
    elif (password := _take(services, job)) is not None:
        _end(services, job.attempt, _asked(services, job, lambda: _make(services, job, password)))
    return nothing


def _job(services: WorkerServices, entry: Job) -> AccountJob | None:
    """What there is to do; None if nothing, or no more: then the attempt has ended."""
    with services.database.reading() as session:
        attempt = account_attempts.find(session, entry.subject_id)
        if attempt is None or attempt.state not in {AttemptState.WAITING, AttemptState.CALLING}:
            return None
        account = session.get(Account, attempt.account_id)
        homeserver = homeservers.find(session, attempt.homeserver)
    try:
        connector = services.connector_for(homeserver) if homeserver else None
    except CannotOpen:
        log.error("homeserver %s: no key here opens its secrets", attempt.homeserver)  # noqa: TRY400  what is missing is a key, no line of code
        _end(services, attempt, AttemptState.AWAY)
        return None
    if account is None or homeserver is None or connector is None:
        _end(services, attempt, AttemptState.AGAIN)
        return None
    return AccountJob(attempt, account, homeserver, connector)


def empty_passwords(services: WorkerServices) -> int:
    """Delete the passwords that nobody took within a minute. How many there were."""
    with services.database.transaction() as session:
        return account_attempts.delete_passwords(
            session, services.now() - attempts.PASSWORD_LIFETIME
        )


def reseal(services: WorkerServices) -> None:
    """Whatever opens otherwise is sealed to the key of now; by night nobody is in the middle of an upgrade."""
    try:
        with services.database.transaction() as session:
            count = homeserver_secrets.reseal(
                session, services.vault, services.public_half, services.private_halves
            )
    except CannotOpen:
        log.error("secrets of homeservers are not sealed anew: a key that opens them is missing")  # noqa: TRY400  no line of code is at fault
        return
    log.info("%d secrets of homeservers sealed anew", count)


def _take(services: WorkerServices, job: AccountJob) -> SecretStr | None:
    """The password, gone from the database when this returns. None if the attempt has ended instead.

    Raises Later while as many calls to this homeserver are under way as may be.
    """
    with services.database.transaction() as session:
        now, name = services.now(), job.homeserver.name
        breaker = homeserver_breakers.lock(session, name)
        if account_attempts.calling(session, name, now - CALL_TIME) >= AT_ONCE:
            raise Later(f"{AT_ONCE} calls to this homeserver are under way", BUSY)
        if not homeserver_breakers.admit(breaker, now):
            attempts.end(session, now, job.attempt.id, AttemptState.AWAY)
            return None
        sealed = attempts.take(session, now, job.attempt.id)
    if sealed is None:
        return None
    try:
        return attempts.opened(services.private_halves, sealed, job.attempt, job.account)
    except CannotOpen:
        log.warning("a typed password was not for this worker, or for another account")
        _end(services, job.attempt, AttemptState.AGAIN)
        return None


def _asked(
    services: WorkerServices, job: AccountJob, ask: Callable[[], AttemptState]
) -> AttemptState:
    """How asking ended, and what that says of the homeserver."""
    name = job.homeserver.name
    try:
        state = ask()
    except Away as away:
        log.warning("homeserver %s: no account made: %s", name, away)
        with services.database.transaction() as session:
            homeserver_breakers.failed(session, services.now(), name)
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
        homeserver_breakers.answered(session, name)
    return state


def _make(services: WorkerServices, job: AccountJob, password: SecretStr) -> AttemptState:
    connector, another_name = job.connector, False
    for _ in range(TRIES):
        account = _claim(services, job, another_name=another_name)
        wanted = _wanted(account, password)
        match connector.look(wanted):
            case Found.NOTHING:
                _note_free(services, account)
                try:
                    connector.create(wanted, partial(_note_made, services, job, account))
                except NameTaken:
                    continue  # perhaps by the same person's other browser: look again
            case Found.BEGUN:  # it bears our mark
                _note_made(services, job, account)
                connector.finish(wanted)
            case Found.FINISHED if _is_ours(services, account):
                connector.finish(wanted)
            case Found.NAME_TAKEN:
                another_name = True
                continue
            case _:
                with services.database.transaction() as session:
                    use_case.abandon(session, account.id)
                raise problems.AddressTaken
        return _conclude(services, account)
    raise problems.NameRefused


def _how_it_ended(services: WorkerServices, job: AccountJob) -> AttemptState:
    """A worker died after it had taken the password: see whether the account stands with it."""
    is_whole = job.connector.look(_wanted(job.account, SecretStr(""))) is Found.FINISHED
    if is_whole and job.attempt.was_made:
        return _conclude(services, job.account)
    return AttemptState.AGAIN


def _claim(services: WorkerServices, job: AccountJob, *, another_name: bool) -> Account:
    with services.database.transaction() as session:
        request = use_case.confirmed_request(session, services.now(), job.attempt.request_id)
        account = use_case.claim(
            session,
            services.rules.current(),
            services.now(),
            request=request,
            homeserver=job.homeserver,
            display_name=job.attempt.display_name,
            another_name=another_name,
        )
        account_attempts.belongs_to(session, job.attempt.id, account.id)
        return account


def _note_free(services: WorkerServices, account: Account) -> None:
    with services.database.transaction() as session:
        use_case.seen_free(session.get_one(Account, account.id), services.now())


def _note_made(services: WorkerServices, job: AccountJob, account: Account) -> None:
    with services.database.transaction() as session:
        use_case.created(session.get_one(Account, account.id))
        account_attempts.was_made(session, job.attempt.id)


def _is_ours(services: WorkerServices, account: Account) -> bool:
    # Read anew: another attempt may have made it after this one took its claim.
    with services.database.reading() as session:
        kept = session.get(Account, account.id)
        return kept is not None and kept.state == AccountState.CREATED


def _conclude(services: WorkerServices, account: Account) -> AttemptState:
    with services.database.transaction() as session:
        kept = session.get_one(Account, account.id, with_for_update=True)
        use_case.finish(session, services.now(), kept)
    return AttemptState.MADE


def _end(services: WorkerServices, attempt: AccountAttempt, state: AttemptState) -> None:
    """At once, not with the job's entry: who waits is told also if the lease ran out meanwhile."""
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
