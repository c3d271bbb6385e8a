"""Orders a mail as the web does, from a process of its own: `python -m tests.services.ordering ADDRESS SECONDS`."""

import sys
import uuid
from datetime import timedelta

from identity.settings import read_settings
from identity.storage import mails
from identity.storage.mails import Template
from identity.wiring import wire
from workers import wake_outbox


def order(address: str, seconds: float) -> None:
    """A mail for so many seconds from now; its bell is rung now."""
    wired = wire(read_settings(), wake_outbox=wake_outbox)
    now = wired.now()
    with wired.database.transaction() as session:
        mails.order(
            session,
            now,
            template=Template.NONE,
            address=address,
            language="fr",
            subject_id=uuid.uuid4(),
            due_at=now + timedelta(seconds=seconds),
        )


if __name__ == "__main__":
    order(sys.argv[1], float(sys.argv[2]))
