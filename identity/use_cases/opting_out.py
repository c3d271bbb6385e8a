"""No more invitations by mail: a mailbox says so, of everybody or of one sender, and may take it back for a week."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from identity.storage import mails, suppressions
from identity.storage.suppressions import Suppression, Why
from identity.tokens import Tokens

from . import muting

UNDO_LIFETIME = timedelta(days=7)


def opt_out(session: Session, tokens: Tokens, now: datetime, address: str) -> None:
    """No invitations, reminders and digests any more, to no tagged address of the mailbox.

    What was invited stands, and codes still come.
    """
    if not has_opted_out(session, tokens, address):
        mailbox = mails.mailbox_of(address)
        suppressions.add(session, now, tokens.suppression_hashes(mailbox)[-1], Why.OPTED_OUT)


def undo(session: Session, tokens: Tokens, now: datetime, address: str) -> bool:
    """The mails may come again. False: it is too late, or they never stopped."""
    until = undo_until(session, tokens, address)
    if until is None or now >= until:
        return False
    suppressions.lift(session, _hashes(tokens, address), Why.OPTED_OUT)
    return True


def has_opted_out(session: Session, tokens: Tokens, address: str) -> bool:
    """Whether this address wants no invitations by mail."""
    return _find(session, tokens, address) is not None


def is_unwanted(session: Session, tokens: Tokens, *, address: str, sender: str) -> bool:
    """Whether it wants none of this sender: of nobody, or because it does not know them."""
    return has_opted_out(session, tokens, address) or muting.is_muted(
        session, tokens, address=address, sender=sender
    )


def undo_until(session: Session, tokens: Tokens, address: str) -> datetime | None:
    """Until when it can be taken back; None: nothing was said."""
    found = _find(session, tokens, address)
    return found.since + UNDO_LIFETIME if found else None


def _find(session: Session, tokens: Tokens, address: str) -> Suppression | None:
    return suppressions.find(session, _hashes(tokens, address), Why.OPTED_OUT)


def _hashes(tokens: Tokens, address: str) -> list[str]:
    """Of the mailbox, and of the address itself, by which it was written before."""
    mailbox = mails.mailbox_of(address)
    return [*tokens.suppression_hashes(mailbox), *tokens.suppression_hashes(address)]
