"""Cancelling mails that wait, as operators do. What a mail is about goes on."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from identity.core import journal
from identity.core.journal import Actor
from identity.core.journal_places import of_addresses
from identity.core.keyed_hashes import KeyedHashes
from identity.core.personal_data import is_same_mailbox, mailbox_of

from . import models as mails, results
from .kinds import MailKind
from .models import Mail, MailState

CANCELLED: Final = "cancelled by an operator"


def find_waiting(session: Session, address: str) -> list[Mail]:
    """The mails that wait for any spelling of the mailbox of this address, oldest first."""
    found = session.scalars(
        select(Mail)
        .where(Mail.state == MailState.WAITING, is_same_mailbox(Mail.address, address))
        .order_by(Mail.created_at, Mail.id)
    )
    return [mail for mail in found if mailbox_of(mail.address) == mailbox_of(address)]


def cancel(
    session: Session,
    hashes: KeyedHashes,
    now: datetime,
    found: Sequence[Mail],
    who: Actor,
    *,
    kind_of: Callable[[Mail], MailKind],
) -> list[Mail]:
    """Cancel those of these mails to one mailbox that still wait; returns them.

    The jobs end by themselves. A mail that is being handed over at this moment may still leave; its
    row says so then.
    """
    cancelled = []
    for mail in found:
        mails.lock_address(session, mail.address)
        session.refresh(mail)
        if mail.state == MailState.WAITING:
            results.record_dropped(session, now, mail, kind=kind_of(mail))
            mail.last_reply = CANCELLED
            cancelled.append(mail)
    session.flush()
    if cancelled:
        subject = hashes.journal_name(session, mailbox_of(cancelled[0].address))
        facts = {
            "mails": [str(mail.id) for mail in cancelled],
            "kinds": sorted({mail.template for mail in cancelled}),
        }
        places = of_addresses(mail.address for mail in cancelled)
        journal.write(
            session, now, who, action="mail.cancel", subject=subject, facts=facts, places=places
        )
    return cancelled
