"""What operators change about mails; each change leaves a row in the journal."""

from datetime import datetime

from sqlalchemy.orm import Session

from identity.core import journal, outbox
from identity.core.journal import Actor
from identity.core.journal_places import of_addresses
from identity.core.keyed_hashes import KeyedHashes

from . import results
from .models import Mail, MailState


def retry(session: Session, now: datetime, who: Actor, mail: Mail) -> bool:
    """Try again at once to hand over a mail that waits or was given up. False: no job is left.

    A frozen mail waits on.
    """
    before = mail.state
    if not outbox.retry(session, mail.id, now):
        return False
    if mail.state in {MailState.GAVE_UP, MailState.REFUSED}:
        mail.state = MailState.WAITING
    session.flush()
    facts = {"template": mail.template, "before": str(before), "after": str(mail.state)}
    subject, places = str(mail.id), of_addresses([mail.address])
    journal.write(
        session, now, who, action="mail.retry", subject=subject, facts=facts, places=places
    )
    return True


def allow(session: Session, now: datetime, who: Actor, hashes: KeyedHashes, address: str) -> bool:
    """Write to this address again. False if nothing kept mails away.

    The journal knows the address by its keyed hash only.
    """
    subject = hashes.hash_of_address(session, address)
    if not results.lift_suppression(session, hashes, address):
        return False
    places = of_addresses([address])
    journal.write(session, now, who, action="mail.allow", subject=subject, facts={}, places=places)
    return True
