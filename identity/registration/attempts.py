"""One attempt to create an account: claimed by the web, carried out by the worker.

The web claims the attempt and judges the password, then seals it for the worker. Every state has a
time limit, so that the person who waits always gets an answer.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from pydantic import SecretStr
from sqlalchemy.orm import Session

from identity.accounts.models import Account
from identity.core import metrics, outbox
from identity.core.database import count_after_commit
from identity.core.outbox import JobKind, Lane
from identity.core.sealing import PrivateHalves, PublicHalf
from identity.sign_up.models import VerificationRequest

from . import models as account_attempts, service as registration
from .models import AccountAttempt, AttemptState

JUDGING_TIME = timedelta(seconds=20)  # after that, the web process was killed while it judged
PASSWORD_LIFETIME = timedelta(seconds=60)
CALL_TIME = timedelta(seconds=60)  # a lease: after that another worker checks how the call ended
ANSWER_TIME = timedelta(seconds=90)  # CALL_TIME, and some more for that check


class AttemptStatus(StrEnum):
    """The status of an attempt as the person who waits for it is told."""

    NONE = "none"
    UNDER_WAY = "under_way"
    TAKEN = "taken"
    NAME_REFUSED = "name_refused"
    NOT_ALLOWED = "not_allowed"
    AWAY = "away"
    AGAIN = "again"


FINAL_STATUSES = {
    AttemptState.MADE: AttemptStatus.NONE,  # the request shows it: it is used
    AttemptState.TAKEN: AttemptStatus.TAKEN,
    AttemptState.NAME_REFUSED: AttemptStatus.NAME_REFUSED,
    AttemptState.NOT_ALLOWED: AttemptStatus.NOT_ALLOWED,
    AttemptState.AWAY: AttemptStatus.AWAY,
    AttemptState.AGAIN: AttemptStatus.AGAIN,
}


def status_of(attempt: AccountAttempt | None, now: datetime) -> AttemptStatus:
    """The status now. An attempt past its time limit has ended too; without an attempt, NONE."""
    if attempt is None:
        return AttemptStatus.NONE
    match AttemptState(attempt.state):
        case AttemptState.JUDGING:
            is_late = now >= attempt.begun_at + JUDGING_TIME
            return AttemptStatus.NONE if is_late else AttemptStatus.UNDER_WAY
        case AttemptState.WAITING:
            is_late = now >= attempt.begun_at + PASSWORD_LIFETIME
        case AttemptState.CALLING:
            is_late = now >= (attempt.called_at or attempt.begun_at) + ANSWER_TIME
        case ended:
            return FINAL_STATUSES[ended]
    return AttemptStatus.AGAIN if is_late else AttemptStatus.UNDER_WAY


def claim(
    session: Session,
    now: datetime,
    request: VerificationRequest,
    *,
    homeserver: str,
    display_name: str,
    language: str,
) -> UUID | None:
    """Claim a request for a new attempt; returns the attempt's id, None while another is under way.

    Do costly work, such as judging the password, only after this.
    """
    account_attempts.delete_passwords(session, now - PASSWORD_LIFETIME)
    before = account_attempts.find_by_request(session, request.id)
    if status_of(before, now) is AttemptStatus.UNDER_WAY:
        return None
    return account_attempts.begin(
        session,
        before,
        request_id=request.id,
        homeserver=homeserver,
        display_name=display_name,
        language=language,
        begun_at=now,
    )


def release(session: Session, attempt_id: UUID) -> None:
    """Delete an attempt whose password was refused, and the account claimed for it alone."""
    attempt = account_attempts.find(session, attempt_id)
    if attempt is None or attempt.state != AttemptState.JUDGING:
        return
    if attempt.account_id and not account_attempts.is_needed(
        session, attempt.account_id, but=attempt_id
    ):
        registration.drop_unseen(session, attempt.account_id)
    session.delete(attempt)


def hand_over(
    session: Session,
    now: datetime,
    public: PublicHalf,
    *,
    attempt_id: UUID,
    account: Account,
    password: str,
) -> None:
    """Seal the password for the worker and enqueue the job, unless a newer attempt took over."""
    moved = account_attempts.change_state(
        session,
        attempt_id,
        source=AttemptState.JUDGING,
        to=AttemptState.WAITING,
        begun_at=now,
    )
    attempt = account_attempts.find(session, attempt_id) if moved else None
    if attempt is not None:
        sealed = public.seal(password, about=_about(attempt, account))
        account_attempts.store_password(session, now, attempt_id, sealed)
        count_after_commit(session, metrics.SIGN_UPS, step="requested")
        outbox.enqueue(
            session,
            JobKind.ACCOUNT,
            attempt_id,
            now,
            lane=Lane.ACCOUNTS,
            homeserver=attempt.homeserver,
        )


def take_password(session: Session, now: datetime, attempt_id: UUID) -> str | None:
    """Take the sealed password out of the database; commit before the homeserver is called.

    None if it is too old or already taken: then the attempt has ended.
    """
    sealed = account_attempts.take_password(session, attempt_id, now - PASSWORD_LIFETIME)
    account_attempts.change_state(
        session,
        attempt_id,
        source=AttemptState.WAITING,
        to=AttemptState.CALLING if sealed else AttemptState.AGAIN,
        called_at=now,
    )
    return sealed


def open_password(
    private: PrivateHalves, sealed: str, attempt: AccountAttempt, account: Account
) -> SecretStr:
    """Open the sealed password, bound to this request and user ID. Raises CannotOpen."""
    return private.open(sealed, about=_about(attempt, account))


def end(session: Session, now: datetime, attempt_id: UUID, state: AttemptState) -> None:
    """Record how the attempt ended. If the homeserver is away, enqueue the job that probes it."""
    for source in (AttemptState.WAITING, AttemptState.CALLING):
        if account_attempts.change_state(session, attempt_id, source=source, to=state):
            count_after_commit(session, metrics.SIGN_UPS, step=state.value)
            break
    account_attempts.take_password(session, attempt_id, now)
    attempt = account_attempts.find(session, attempt_id)
    if attempt is not None and state is AttemptState.AWAY:
        request = session.get(VerificationRequest, attempt.request_id)
        if request is not None:
            request.language = attempt.language
            registration.wait_for_homeserver(session, now, request, homeserver=attempt.homeserver)


def _about(attempt: AccountAttempt, account: Account) -> tuple[str, ...]:
    return ("password", str(attempt.request_id), str(attempt.id), account.user_id)
