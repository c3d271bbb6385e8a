"""Mutes an inviter for a mailbox, as “I don't know this person” asks for.

Their invitations are not mailed to that mailbox any more, from any room. The inviter must not
notice: requests are answered as before, and a day later the invitation shows the same text as for
everybody who wants no invitations by mail (see `schedule.tell_inviter`).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from identity.core import foreseen
from identity.core.keyed_hashes import KeyedHashes
from identity.mail import models as mails

from . import mute_models as mutes

MUTES_NOBODY: Final = "mailbox that mutes nobody"
UNDO_LIFETIME = timedelta(days=7)


def mute(
    session: Session, hashes: KeyedHashes, now: datetime, *, address: str, sender: str
) -> None:
    """Mute the inviter without end, for every spelling of the mailbox."""
    if not is_muted(session, hashes, address=address, sender=sender):
        mutes.add(
            session,
            now,
            mailbox_hash=hashes.hash_of_address(session, mails.mailbox_of(address)),
            sender=sender,
        )


def undo(
    session: Session, hashes: KeyedHashes, now: datetime, *, address: str, sender: str
) -> bool:
    """Remove the mute. Returns False if it is too late, or there is none."""
    until = undo_until(session, hashes, address=address, sender=sender)
    if until is None or now >= until:
        return False
    return mutes.lift(session, hashes.hashes_of_mailbox(session, address), sender) > 0


def is_muted(session: Session, hashes: KeyedHashes, *, address: str, sender: str) -> bool:
    """Whether this mailbox muted this sender."""
    if foreseen.recall(session, MUTES_NOBODY, address, lambda: False):
        return False
    return mutes.find(session, hashes.hashes_of_mailbox(session, address), sender) is not None


def foresee(session: Session, of_hash: Mapping[str, str]) -> None:
    """Note which of these addresses, given by the hashes of their mailboxes, muted nobody."""
    muting = {of_hash[each] for each in mutes.find_hashes(session, of_hash)}
    others = {*of_hash.values()} - muting
    foreseen.remember(session, MUTES_NOBODY, dict.fromkeys(others, True))


def undo_until(
    session: Session, hashes: KeyedHashes, *, address: str, sender: str
) -> datetime | None:
    """Until when the mute can be undone; None: there is none."""
    found = mutes.find(session, hashes.hashes_of_mailbox(session, address), sender)
    return found.since + UNDO_LIFETIME if found else None


def forget(session: Session, hashes: KeyedHashes, address: str) -> int:
    """Delete all mutes of an address whose owner is erased. Returns how many."""
    return mutes.lift(session, hashes.hashes_of_mailbox(session, address))
