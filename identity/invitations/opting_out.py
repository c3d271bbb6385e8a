"""No more invitations by mail: a mailbox says so, of everybody or of one sender, and may take it back for a week."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from identity.core.keyed_hashes import KeyedHashes
from identity.mail import models as mails
from identity.mail import suppressions
from identity.mail.suppressions import Suppression, Why

from . import muting

UNDO_LIFETIME = timedelta(days=7)


def opt_out(session: Session, hashes: KeyedHashes, now: datetime, address: str) -> None:
    """No invitations, reminders and digests any more, to no spelling of the mailbox.

    What was invited stands, and codes still come.
    """
    if not has_opted_out(session, hashes, address):
        mailbox = mails.mailbox_of(address)
        suppressions.add(session, now, hashes.to_keep(session, mailbox), Why.OPTED_OUT)


def undo(session: Session, hashes: KeyedHashes, now: datetime, address: str) -> bool:
    """The mails may come again. False: it is too late, or they never stopped."""
    until = undo_until(session, hashes, address)
    if until is None or now >= until:
        return False
    suppressions.lift(session, hashes.to_find_mailbox(session, address), Why.OPTED_OUT)
    return True


def has_opted_out(session: Session, hashes: KeyedHashes, address: str) -> bool:
    """Whether this address wants no invitations by mail."""
    return _find(session, hashes, address) is not None


def is_unwanted(session: Session, hashes: KeyedHashes, *, address: str, sender: str) -> bool:
    """Whether it wants none of this sender: of nobody, or because it does not know them."""
    return has_opted_out(session, hashes, address) or muting.is_muted(
        session, hashes, address=address, sender=sender
    )


def undo_until(session: Session, hashes: KeyedHashes, address: str) -> datetime | None:
    """Until when it can be taken back; None: nothing was said."""
    found = _find(session, hashes, address)
    return found.since + UNDO_LIFETIME if found else None


def _find(session: Session, hashes: KeyedHashes, address: str) -> Suppression | None:
    return suppressions.find(session, hashes.to_find_mailbox(session, address), Why.OPTED_OUT)
