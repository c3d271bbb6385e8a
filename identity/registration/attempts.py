"""One attempt at an account: claimed by the web, carried out by the worker, and always with an end in sight."""

from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from pydantic import SecretStr
from sqlalchemy.orm import Session

from identity.accounts.models import Account
from identity.core import outbox
from identity.core.outbox import JobKind, Lane
from identity.core.sealing import PrivateHalves, PublicHalf
from identity.sign_up.models import VerificationRequest

from . import models as account_attempts
from . import service as accounts
from .models import AccountAttempt, AttemptState

JUDGING_TIME = timedelta(seconds=20)  # the web was killed while it judged a password
PASSWORD_LIFETIME = timedelta(seconds=60)
CALL_TIME = timedelta(seconds=60)  # a lease: after that another worker looks how it ended
ANSWER_TIME = timedelta(seconds=90)  # and some more for that look


class Stands(StrEnum):
    """Where an attempt stands for who waits for it."""

    NONE = "none"
    UNDER_WAY = "under_way"
    TAKEN = "taken"
    NAME_REFUSED = "name_refused"
    NOT_ALLOWED = "not_allowed"
    AWAY = "away"
    AGAIN = "again"


ENDS = {
    AttemptState.MADE: Stands.NONE,  # the request tells: it is used
    AttemptState.TAKEN: Stands.TAKEN,
    AttemptState.NAME_REFUSED: Stands.NAME_REFUSED,
    AttemptState.NOT_ALLOWED: Stands.NOT_ALLOWED,
    AttemptState.AWAY: Stands.AWAY,
    AttemptState.AGAIN: Stands.AGAIN,
}


def stands(attempt: AccountAttempt | None, now: datetime) -> Stands:
    """Where it stands now: what nobody finished in its time has ended too."""
    if attempt is None:
        return Stands.NONE
    match AttemptState(attempt.state):
        case AttemptState.JUDGING:
            is_late = now >= attempt.begun_at + JUDGING_TIME
            return Stands.NONE if is_late else Stands.UNDER_WAY
        case AttemptState.WAITING:
            is_late = now >= attempt.begun_at + PASSWORD_LIFETIME
        case AttemptState.CALLING:
            is_late = now >= (attempt.called_at or attempt.begun_at) + ANSWER_TIME
        case ended:
            return ENDS[ended]
    return Stands.AGAIN if is_late else Stands.UNDER_WAY


def claim(
    session: Session,
    now: datetime,
    request: VerificationRequest,
    *,
    homeserver: str,
    display_name: str,
    language: str,
) -> UUID | None:
    """Claim a request for one attempt; None while another is under way. Whatever costs time comes after that."""
    account_attempts.delete_passwords(session, now - PASSWORD_LIFETIME)
    before = account_attempts.of_request(session, request.id)
    if stands(before, now) is Stands.UNDER_WAY:
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
    """The password will not do: nothing was begun, and nothing of it is kept."""
    attempt = account_attempts.find(session, attempt_id)
    if attempt is None or attempt.state != AttemptState.JUDGING:
        return
    if attempt.account_id and not account_attempts.is_needed(
        session, attempt.account_id, but=attempt_id
    ):
        accounts.drop_unseen(session, attempt.account_id)
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
    """Seal the password to the worker and order the account; unless somebody else took the request over."""
    moved = account_attempts.move(
        session,
        attempt_id,
        source=AttemptState.JUDGING,
        to=AttemptState.WAITING,
        begun_at=now,
    )
    attempt = account_attempts.find(session, attempt_id) if moved else None
    if attempt is not None:
        sealed = public.seal(password, about=_about(attempt, account))
        account_attempts.keep_password(session, now, attempt_id, sealed)
        outbox.enqueue(session, JobKind.ACCOUNT, attempt_id, now, lane=Lane.ACCOUNTS)


def take(session: Session, now: datetime, attempt_id: UUID) -> str | None:
    """The sealed password, which is gone once this transaction is committed: the call comes after that.

    None, and the attempt has ended, if it was too old or somebody has it.
    """
    sealed = account_attempts.take_password(session, attempt_id, now - PASSWORD_LIFETIME)
    account_attempts.move(
        session,
        attempt_id,
        source=AttemptState.WAITING,
        to=AttemptState.CALLING if sealed else AttemptState.AGAIN,
        called_at=now,
    )
    return sealed


def opened(
    private: PrivateHalves, sealed: str, attempt: AccountAttempt, account: Account
) -> SecretStr:
    """The password, for this request and user ID alone. Raises CannotOpen."""
    return private.open(sealed, about=_about(attempt, account))


def end(session: Session, now: datetime, attempt_id: UUID, state: AttemptState) -> None:
    """How it ended. Where the homeserver is away, the request is looked after until it is back."""
    for source in (AttemptState.WAITING, AttemptState.CALLING):
        if account_attempts.move(session, attempt_id, source=source, to=state):
            break
    account_attempts.take_password(session, attempt_id, now)
    attempt = account_attempts.find(session, attempt_id)
    if attempt is not None and state is AttemptState.AWAY:
        request = session.get(VerificationRequest, attempt.request_id)
        if request is not None:
            request.language = attempt.language
            accounts.wait_for_server(session, now, request)


def _about(attempt: AccountAttempt, account: Account) -> tuple[str, ...]:
    return ("password", str(attempt.request_id), str(attempt.id), account.user_id)
