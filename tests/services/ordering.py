"""Orders a mail as the web does, from a process of its own: `python -m tests.services.ordering ADDRESS SECONDS`."""

import sys
import uuid
from datetime import timedelta

from identity.settings import read_settings
from identity.storage import mails
from identity.storage.mails import Template
from identity.storage.verification_requests import VerificationRequest
from identity.wiring import wire
from workers import wake_outbox


def order(address: str, seconds: float) -> None:
    """A mail for so many seconds from now; its bell is rung now."""
    wired = wire(read_settings(), wake_outbox=wake_outbox)
    now = wired.now()
    with wired.database.transaction() as session:
        asked = VerificationRequest(
            address=address,
            browser=uuid.uuid4().hex,
            ordinal=1,
            language="fr",
            created_at=now,
            asked_at=now,
            expires_at=now + timedelta(days=1),
        )
        session.add(asked)
        session.flush()
        mails.order(
            session,
            now,
            template=Template.NONE,
            address=address,
            language="fr",
            subject_id=asked.id,
            due_at=now + timedelta(seconds=seconds),
        )


if __name__ == "__main__":
    order(sys.argv[1], float(sys.argv[2]))
