"""A revoked invitation leaves its room: the inviter's homeserver is asked to empty the event that holds its keys."""

from sqlalchemy.orm import Session

from identity.storage import third_party_invitations
from identity.storage.invitation_events import Happened
from identity.storage.outbox import OutboxEntry
from identity.use_cases.invitation_states import note
from identity.wiring import Wiring

from .endings import Note, nothing

BY = "worker"
NO_MODULE = "its homeserver has no module of ours: the event in the room keeps its keys"


def empty_room(wired: Wiring, entry: OutboxEntry) -> Note:
    """Whether the room can be reached or not, the invitation has ended: nobody can use what stands there."""
    with wired.database.reading() as session:
        invitation = third_party_invitations.find(session, entry.subject_id)
    if invitation is None:
        return nothing

    def conclude(session: Session) -> None:
        now = wired.now()
        note(session, now, invitation, None, Happened.ROOM_NOT_EMPTIED, by=BY, detail=NO_MODULE)

    return conclude
