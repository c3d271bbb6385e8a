"""What support does for one person: give codes their tries back, send again, let mails through.

Each deed leaves a row in the journal, under the keyed name of the person.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from identity.core import journal
from identity.core.journal import Actor
from identity.core.journal_places import of_addresses, of_users
from identity.core.keyed_hashes import KeyedHashes
from identity.core.one_time_codes import models as codes
from identity.core.personal_data import Person
from identity.mail import models as mails, operator_changes
from identity.mail.models import Mail, MailState
from identity.mail.quota import Template
from identity.sign_up import models as requests, service as sign_up

UNLOCK, RESEND, EXPORT = "person.unlock_codes", "person.resend", "person.export"  # actions
UNDELIVERED: Final = (MailState.WAITING, MailState.REFUSED, MailState.GAVE_UP)


@dataclass(frozen=True)
class SentAgain:
    """A mail that was ordered again: what it is, and when it leaves."""

    template: str
    leaves_at: datetime

    @property
    def facts(self) -> dict[str, object]:
        """For the journal."""
        at = self.leaves_at.isoformat(timespec="seconds")
        return {"template": self.template, "at": at}


def unlock_codes(
    session: Session, hashes: KeyedHashes, now: datetime, who: Actor, person: Person
) -> int:
    """Give all codes to their addresses five tries again; returns how many codes had fewer.

    The code of the mail that they have is right again. Nothing is written if none had fewer.
    """
    for address in sorted(person.addresses):
        mails.lock_address(session, address)
    unlocked = codes.unlock(session, now, person.addresses)
    if unlocked:
        _write(session, hashes, now, who, UNLOCK, person=person, facts={"codes": unlocked})
    return unlocked


def send_again(
    session: Session, hashes: KeyedHashes, now: datetime, who: Actor, person: Person
) -> SentAgain | None:
    """Order the mail of the sign-up that waits, or try again one that was not handed over.

    The limits on mails hold: it leaves at the first moment that they allow. None: nothing waits
    to be sent. Raises what `sign_up.service.resend` raises.
    """
    for address in sorted(person.addresses):
        mails.lock_address(session, address)
        request = requests.find_newest_waiting(session, address, now)
        if request is not None and sign_up.resend(session, now, request, language=request.language):
            sent = SentAgain(Template.VERIFY, request.mail_at or now)
            _write(session, hashes, now, who, RESEND, person=person, facts=sent.facts)
            return sent
    mail = _find_undelivered(session, person)
    if mail is None or not operator_changes.retry(session, now, who, mail):
        return None
    sent = SentAgain(mail.template, now)
    _write(session, hashes, now, who, RESEND, person=person, facts=sent.facts)
    return sent


def free_address(
    session: Session, hashes: KeyedHashes, now: datetime, who: Actor, person: Person
) -> bool:
    """Write to their addresses again, which their mail server once did not know.

    False if nothing kept mails away. That they wanted no invitations stays.
    """
    freed = [
        operator_changes.allow(session, now, who, hashes, address)
        for address in dict.fromkeys((*person.addresses, person.mailbox))
    ]
    return any(freed)


def record_export(
    session: Session, hashes: KeyedHashes, now: datetime, who: Actor, person: Person
) -> None:
    """That everything stored of the person was handed out."""
    _write(session, hashes, now, who, EXPORT, person=person, facts={})


def _find_undelivered(session: Session, person: Person) -> Mail | None:
    """The newest mail to them, if it was not handed over."""
    newest = select(Mail).where(Mail.address.in_(person.addresses))
    mail = session.scalar(newest.order_by(Mail.created_at.desc(), Mail.id).limit(1))
    return mail if mail is not None and mail.state in UNDELIVERED else None


def _write(
    session: Session,
    hashes: KeyedHashes,
    now: datetime,
    who: Actor,
    action: str,
    *,
    person: Person,
    facts: dict[str, object],
) -> None:
    subject = hashes.journal_name(session, person.mailbox)
    places = of_addresses([person.address]) | of_users(person.all_user_ids)
    journal.write(session, now, who, action=action, subject=subject, facts=facts, places=places)
