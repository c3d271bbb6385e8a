"""“I don't know this person”: from then on this sender's invitations are not mailed to that mailbox, in no room.

The sender is told nothing of it: what they ask for is answered as before, and a day later their invitation
says what it says of everybody who wants no invitations by mail (see `invitation_calendar.tell_inviter`).
"""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from identity.core.keyed_hashes import KeyedHashes
from identity.mail import models as mails

from . import mute_models as mutes

UNDO_LIFETIME = timedelta(days=7)


def mute(
    session: Session, hashes: KeyedHashes, now: datetime, *, address: str, sender: str
) -> None:
    """For good, and for every spelling of the mailbox."""
    if not is_muted(session, hashes, address=address, sender=sender):
        mutes.add(
            session,
            now,
            mailbox_hash=hashes.to_keep(session, mails.mailbox_of(address)),
            sender=sender,
        )


def undo(
    session: Session, hashes: KeyedHashes, now: datetime, *, address: str, sender: str
) -> bool:
    """It was a slip. False: it is too late, or nothing was said."""
    until = undo_until(session, hashes, address=address, sender=sender)
    if until is None or now >= until:
        return False
    return mutes.lift(session, hashes.to_find_mailbox(session, address), sender) > 0


def is_muted(session: Session, hashes: KeyedHashes, *, address: str, sender: str) -> bool:
    """Whether this mailbox wants nothing of this sender."""
    return mutes.find(session, hashes.to_find_mailbox(session, address), sender) is not None


def undo_until(
    session: Session, hashes: KeyedHashes, *, address: str, sender: str
) -> datetime | None:
    """Until when it can be taken back; None: nothing was said."""
    found = mutes.find(session, hashes.to_find_mailbox(session, address), sender)
    return found.since + UNDO_LIFETIME if found else None


def forget(session: Session, hashes: KeyedHashes, address: str) -> int:
    """The person is erased, and with them whom they did not know. How many rows."""
    return mutes.lift(session, hashes.to_find_mailbox(session, address))
