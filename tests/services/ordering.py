"""Orders a mail as the web does, from a process of its own.

`python -m tests.services.ordering ADDRESS SECONDS`: one, and rings once; and with `LANES NUMBER` so many mails in
each of these lanes (`normal,bulk`), each with a bell of its own.
"""

import sys
import uuid
from datetime import timedelta

from identity.core import outbox
from identity.core.outbox import Lane
from identity.mail import models as mails
from identity.mail.quota import Template
from identity.services import Services, build_services
from identity.settings import read_settings
from identity.sign_up.models import VerificationRequest
from workers import wake_outbox


def order(worker_services: Services, address: str, seconds: float, lane: Lane) -> None:
    """A mail for so many seconds from now; its bell is rung now."""
    now = worker_services.now()
    with worker_services.database.transaction() as session:
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
        mail = mails.order(
            session,
            now,
            template=Template.NONE,
            address=address,
            language="fr",
            subject_id=asked.id,
            due_at=now + timedelta(seconds=seconds),
        )
        session.flush()
        entry = outbox.find_by_subject(session, mail.id)
        assert entry is not None
        entry.lane = lane


if __name__ == "__main__":
    address, seconds, *rest = sys.argv[1:]
    wanted, number = rest or (Lane.NORMAL, "1")
    for lane in map(Lane, wanted.split(",")):
        worker_services = build_services(
            read_settings(), wake_outbox=lambda _lanes, lane=lane: wake_outbox({lane})
        )
        for count in range(int(number)):
            order(worker_services, f"{count}.{address}" if rest else address, float(seconds), lane)
