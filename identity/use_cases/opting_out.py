"""No more invitations by mail: an address says so, and may take it back for a week."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from identity.storage import suppressions
from identity.storage.suppressions import Suppression, Why
from identity.tokens import Tokens

UNDO_LIFETIME = timedelta(days=7)


def opt_out(session: Session, tokens: Tokens, now: datetime, address: str) -> None:
    """Invitations, reminders and digests stop; what was invited stands, and codes still come."""
    if not has_opted_out(session, tokens, address):
        suppressions.add(session, now, tokens.suppression_hashes(address)[-1], Why.OPTED_OUT)


def undo(session: Session, tokens: Tokens, now: datetime, address: str) -> bool:
    """The mails may come again. False: it is too late, or they never stopped."""
    until = undo_until(session, tokens, address)
    if until is None or now >= until:
        return False
    suppressions.lift(session, tokens.suppression_hashes(address), Why.OPTED_OUT)
    return True


def has_opted_out(session: Session, tokens: Tokens, address: str) -> bool:
    """Whether this address wants no invitations by mail."""
    return _find(session, tokens, address) is not None


def undo_until(session: Session, tokens: Tokens, address: str) -> datetime | None:
    """Until when it can be taken back; None: nothing was said."""
    found = _find(session, tokens, address)
    return found.since + UNDO_LIFETIME if found else None


def _find(session: Session, tokens: Tokens, address: str) -> Suppression | None:
    return suppressions.find(session, tokens.suppression_hashes(address), Why.OPTED_OUT)
