"""Orders what the worker looks at: doctor's checks, and the whole journal."""

import uuid
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from identity.core import journal_checks, outbox
from identity.core.outbox import JobKind, Lane

LOOK: Final = uuid.UUID(int=1)  # the subject of all such jobs: one that waits is enough
HALF_A_DAY: Final = timedelta(hours=12)


def order(session: Session, now: datetime, kind: JobKind) -> bool:
    """Look at once, as an operator asks for. False if that was asked for and is still to come."""
    waiting = outbox.find_by_subject(session, LOOK, kind)
    if waiting is not None and waiting.done_at is None and waiting.gave_up_at is None:
        return False
    outbox.enqueue(session, kind, LOOK, now, lane=Lane.BULK)
    return True


def order_nightly(session: Session, now: datetime) -> None:
    """Verify the journal once a night."""
    last = journal_checks.find(session)
    if last is None or now - last.checked_at > HALF_A_DAY:
        order(session, now, JobKind.JOURNAL_CHECK)
