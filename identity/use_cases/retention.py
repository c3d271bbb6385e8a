"""What is kept, how long: the timetable deletes the rest every night."""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete
from sqlalchemy.orm import Session

from identity.storage.mails import Mail
from identity.storage.outbox import OutboxEntry
from identity.storage.third_party_invitations import ThirdPartyInvitation
from identity.storage.validation_sessions import ValidationSession
from identity.storage.verification_requests import State, VerificationRequest

UNCONFIRMED = timedelta(days=7)
CONFIRMED = timedelta(days=30)
VALIDATIONS = timedelta(days=7)
INVITATIONS_ENDED = timedelta(days=183)  # as their mail says
MAIL_STATUS = timedelta(days=30)
ERRANDS_DONE = timedelta(days=7)
ERRANDS_GIVEN_UP = timedelta(days=30)

Table = (
    type[VerificationRequest]
    | type[ValidationSession]
    | type[ThirdPartyInvitation]
    | type[Mail]
    | type[OutboxEntry]
)


def clean_up(session: Session, now: datetime) -> dict[str, int]:
    """Delete what is older than its term. How many rows of each kind that were."""
    old: dict[str, tuple[Table, ColumnElement[bool]]] = {
        "unconfirmed requests": (
            VerificationRequest,
            VerificationRequest.state.in_((State.OPEN, State.CANCELLED))
            & (VerificationRequest.created_at < now - UNCONFIRMED)
            # A "not me" can be undone as long as the request stands.
            & (
                VerificationRequest.cancelled_at.is_(None)
                | (VerificationRequest.cancelled_at < now - UNCONFIRMED)
            ),
        ),
        "confirmed requests": (
            VerificationRequest,
            VerificationRequest.state.in_((State.CONFIRMED, State.USED))
            & (VerificationRequest.created_at < now - CONFIRMED),
        ),
        "validation sessions": (
            ValidationSession,
            ValidationSession.created_at < now - VALIDATIONS,
        ),
        "invitations": (
            ThirdPartyInvitation,
            ThirdPartyInvitation.expires_at < now - INVITATIONS_ENDED,
        ),
        "mails": (Mail, Mail.created_at < now - MAIL_STATUS),
        "errands done": (OutboxEntry, OutboxEntry.done_at < now - ERRANDS_DONE),
        "errands given up": (OutboxEntry, OutboxEntry.gave_up_at < now - ERRANDS_GIVEN_UP),
    }
    return {what: _delete(session, table, which) for what, (table, which) in old.items()}


def _delete(
    session: Session,
    table: Table,
    which: ColumnElement[bool],
) -> int:
    gone = session.execute(
        delete(table).where(which).returning(table.id).execution_options(synchronize_session=False)
    )
    return len(gone.all())
