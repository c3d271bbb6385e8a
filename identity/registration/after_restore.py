"""Accounts that were made since a loaded backup was made: found again by their address."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from identity.accounts import models as accounts
from identity.accounts.models import AccountState
from identity.core import outbox, rows
from identity.core.outbox import JobKind, Lane
from identity.sign_up.models import State, VerificationRequest

from .models import AccountAttempt, AttemptState, TypedPassword

UNENDED = (AttemptState.JUDGING, AttemptState.WAITING, AttemptState.CALLING)
LATELY = timedelta(days=30)  # requests are kept no longer


def end_attempts(session: Session) -> int:
    """Whoever was making an account types the password again. Returns how many."""
    session.execute(delete(TypedPassword))
    which = AccountAttempt.state.in_(UNENDED)
    return rows.update(session, AccountAttempt, which, state=AttemptState.AGAIN)


def order_looks(session: Session, now: datetime) -> int:
    """Have each address asked for that was about to get an account. Returns how many."""
    row = VerificationRequest
    found = session.execute(
        select(row.address, row.id)
        .where(row.state.in_((State.OPEN, State.CONFIRMED)), row.created_at > now - LATELY)
        .order_by(row.created_at)
    )
    newest: dict[str, UUID] = dict(found.all())
    for request_id in newest.values():
        outbox.enqueue(session, JobKind.ACCOUNT_LOOK, request_id, now, lane=Lane.BULK)
    return len(newest)


def find_lost(session: Session, request_id: UUID) -> VerificationRequest | None:
    """The request, unless it is known what became of it."""
    request = session.get(VerificationRequest, request_id)
    if request is None or request.state not in {State.OPEN, State.CONFIRMED}:
        return None
    account = accounts.find_by_address(session, request.address)
    is_known = account is not None and account.state == AccountState.READY
    return None if is_known else request
