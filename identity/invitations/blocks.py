"""Operators block an inviter: nobody is invited by them, and their waiting mails are held."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from identity.core import journal, outbox
from identity.core.journal import Actor
from identity.core.journal_places import of_users
from identity.core.keyed_hashes import KeyedHashes
from identity.problems import EndsSooner

from . import block_models as inviter_blocks, models as third_party_invitations, service
from .block_models import InviterBlock


@dataclass(frozen=True)
class Blocked:
    """What a block did. `open_invitations`: before any was revoked."""

    block: InviterBlock
    open_invitations: int
    revoked: int


def block(
    session: Session,
    now: datetime,
    who: Actor,
    user_id: str,
    *,
    hashes: KeyedHashes,
    until: datetime | None = None,
    revokes: bool = False,
    may_shorten: bool = True,
) -> Blocked:
    """Block an inviter from now on. Who is blocked already gets this end and reason.

    `revokes`: also revoke all their live invitations. Raises EndsSooner, as a freeze does.
    """
    found, is_new = inviter_blocks.find_or_begin(session, now, user_id)
    if not is_new and not may_shorten and not inviter_blocks.is_over(found, now):
        EndsSooner.check(found.until, until)
    before = None if is_new else _facts(found)
    if inviter_blocks.is_over(found, now):
        found.since = now
    found.until, found.author, found.reason = until, who.name, who.reason
    session.flush()
    live = third_party_invitations.find_live_of(session, now, user_id)
    revoked = 0
    if revokes:
        revoked = sum(service.revoke(session, now, each, by=who.name) for each in live)
    facts = {"before": before, "after": _facts(found), "revoked_invitations": revoked}
    name = hashes.journal_name_of_user(session, user_id)
    places = of_users([user_id])
    journal.write(
        session, now, who, action="inviter.block", subject=name, facts=facts, places=places
    )
    return Blocked(found, len(live), revoked)


def unblock(
    session: Session, now: datetime, who: Actor, user_id: str, *, hashes: KeyedHashes
) -> bool:
    """Let the user invite again, and their held mails leave. False if they were not blocked."""
    found = inviter_blocks.find_locked(session, user_id)
    if found is None:
        return False
    released = outbox.release(session, now, inviter_blocks.key_of(user_id))
    facts = {"before": _facts(found), "released_jobs": released}
    session.delete(found)
    session.flush()
    name = hashes.journal_name_of_user(session, user_id)
    places = of_users([user_id])
    journal.write(
        session, now, who, action="inviter.unblock", subject=name, facts=facts, places=places
    )
    return True


def _facts(block: InviterBlock) -> dict[str, str | None]:
    """As the journal keeps it: whom it is about is said by a keyed hash."""
    return {field: value for field, value in describe(block).items() if field != "user_id"}


def describe(block: InviterBlock) -> dict[str, str | None]:
    """A block as JSON."""
    return {
        "user_id": block.user_id,
        "since": block.since.isoformat(timespec="seconds"),
        "until": block.until.isoformat(timespec="seconds") if block.until else None,
        "author": block.author,
        "reason": block.reason,
    }
