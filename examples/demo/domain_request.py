"""Somebody asks for their domain to be opened, so that the operators of the demo have something to decide."""

from pathlib import Path
from typing import Final

from sqlalchemy import select

from domain_rules.addresses import EmailAddress
from identity.core import rows
from identity.core.outbox import Job
from identity.domain_requests import service
from identity.domain_requests.models import Size
from identity.domain_requests.service import Wish
from identity.mail.models import Mail
from identity.services import build_services
from identity.settings import read_settings

ADDRESS: Final = EmailAddress.parse("jean@library.example")
WISH: Final = Wish("Library of the town", "head of IT", Size.UNDER_100)


def ask(folder: Path, *, url: str) -> str:
    """Ask as if a mailed code had proved the mailbox. Returns the name of the request, such as D-1.

    `folder`: the data folder of a Guichet that has run; `url`: its public URL.
    """
    services = build_services(read_settings(data_dir=folder, public_url=url))
    with services.database.transaction() as session:
        now = services.now()
        asked = service.ask(
            session, services.hashes, now, address=ADDRESS, wish=WISH, language="en"
        )
        # The mailbox of the demo is for its people: nobody reads that the request has arrived.
        sent = Mail.address == ADDRESS.canonical
        rows.delete(session, Job, Job.subject_id.in_(select(Mail.id).where(sent)))
        rows.delete(session, Mail, sent)
        label = asked.request.label
    services.database.engine.dispose()
    return label
