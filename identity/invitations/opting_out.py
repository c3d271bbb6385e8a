"""Mailboxes that want no more invitations by mail, from anybody or from one inviter."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from identity.core import foreseen
from identity.core.keyed_hashes import KeyedHashes
from identity.mail import models as mails, suppressions
from identity.mail.suppressions import Suppression, SuppressionReason

from . import muting

OPTED_OUT: Final = "suppression of invitations"
UNDO_LIFETIME = timedelta(days=7)


def opt_out(session: Session, hashes: KeyedHashes, now: datetime, address: str) -> None:
    """Send no invitations, reminders and digests any more, to any spelling of the mailbox.

    Its invitations stay open, and mails with codes are still sent.
    """
    if not has_opted_out(session, hashes, address):
        mailbox = mails.mailbox_of(address)
        suppressions.add(
            session, now, hashes.hash_of_address(session, mailbox), SuppressionReason.OPTED_OUT
        )


def undo(session: Session, hashes: KeyedHashes, now: datetime, address: str) -> bool:
    """Let invitations be mailed again. Returns False if it is too late, or they never stopped."""
    until = undo_until(session, hashes, address)
    if until is None or now >= until:
        return False
    suppressions.lift(
        session, hashes.hashes_of_mailbox(session, address), SuppressionReason.OPTED_OUT
    )
    return True


def has_opted_out(session: Session, hashes: KeyedHashes, address: str) -> bool:
    """Whether this address wants no invitations by mail."""
    return _find(session, hashes, address) is not None


def is_unwanted(session: Session, hashes: KeyedHashes, *, address: str, sender: str) -> bool:
    """Whether it wants none from this sender, since it opted out or muted them."""
    return has_opted_out(session, hashes, address) or muting.is_muted(
        session, hashes, address=address, sender=sender
    )


def foresee(session: Session, hashes: KeyedHashes, addresses: Collection[str]) -> None:
    """Note at once which of these addresses neither opted out nor muted anybody, as most did not."""
    of_hash = {
        each: address
        for address in addresses
        for each in hashes.hashes_of_mailbox(session, address)
    }
    opted_out = suppressions.find_hashes(session, of_hash, SuppressionReason.OPTED_OUT)
    muting.foresee(session, of_hash)
    others = {*addresses} - {of_hash[each] for each in opted_out}
    foreseen.remember(session, OPTED_OUT, dict.fromkeys(others))


def undo_until(session: Session, hashes: KeyedHashes, address: str) -> datetime | None:
    """Until when opting out can be undone; None: the address has not opted out."""
    found = _find(session, hashes, address)
    return found.since + UNDO_LIFETIME if found else None


def _find(session: Session, hashes: KeyedHashes, address: str) -> Suppression | None:
    return foreseen.recall(
        session,
        OPTED_OUT,
        address,
        lambda: suppressions.find(
            session, hashes.hashes_of_mailbox(session, address), SuppressionReason.OPTED_OUT
        ),
    )
