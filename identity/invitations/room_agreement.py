"""No mail of an invitation leaves before its room took it: a homeserver asks us first, and may be refused by the room.

The homeserver's module reports each that the room took. Without one it is asked for after a short grace, as far
as anybody can be asked.
"""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from domain_rules.user_ids import homeserver_of
from identity.core import outbox
from identity.core.keyed_hashes import KeyedHashes
from identity.core.outbox import JobKind, Lane
from identity.homeservers import modules as homeserver_modules
from identity.homeservers.modules import THIRD_PARTY_INVITED
from identity.invitations import delivery
from identity.mail import models as mails
from identity.mail.models import Template
from identity.threepids import associations

from . import models as third_party_invitations
from . import service as invitations
from .history import Happened
from .models import Awaits, State, ThirdPartyInvitation
from .states import is_live, is_open, record

GRACE = timedelta(seconds=3)
ASKED = (GRACE, timedelta(seconds=15), timedelta(seconds=60))
"""So long after it was asked for the room is looked into; after the last, a no is believed."""
LATE = timedelta(minutes=10)
"""So long a mail may be held before operators hear of it."""
HELD = timedelta(hours=24)
QUIET = timedelta(hours=72)  # the same invitation, repeated: no second mail
BY = "worker"
REFUSED = "the room did not take it: no mail left"
UNKNOWN = "nobody said whether the room took it: no mail left"


def begin(session: Session, now: datetime, invitation: ThirdPartyInvitation) -> None:
    """It was asked for. `confirm` follows, by a report or by the errand that this orders."""
    outbox.enqueue(
        session, JobKind.ROOM_TOOK, invitation.id, now, lane=Lane.NORMAL, due_at=now + GRACE
    )


def awaits(session: Session, now: datetime, sender: str) -> Awaits:
    """What a new invitation of this sender waits for."""
    home = homeserver_of(sender)
    tells = homeserver_modules.tells(session, now, home, THIRD_PARTY_INVITED)
    return Awaits.REPORT if tells else Awaits.GRACE


def is_open_question(session: Session, now: datetime, invitation: ThirdPartyInvitation) -> bool:
    """Whether it is still to be seen that the room has it: anew, too, where a mail is due once more."""
    if not is_live(invitation, now):
        return False
    return invitation.awaits is not None or is_due_a_mail(session, now, invitation)


def is_due_a_mail(session: Session, now: datetime, invitation: ThirdPartyInvitation) -> bool:
    """Whether its address was never told of it; or it was asked for anew, so long after that it may be once more."""
    if not is_open(invitation, now):
        return False
    mailed_at = invitations.last_mailed(session, invitation)
    if mailed_at is None:
        return True
    is_limited = session.info.get("limited", True)
    return mailed_at < invitation.last_asked and (not is_limited or now >= mailed_at + QUIET)


def confirm(
    session: Session,
    now: datetime,
    invitation: ThirdPartyInvitation,
    hashes: KeyedHashes | None = None,
) -> bool:
    """The room has it: its mail is ordered, or it is brought to who has the address. False: it ended before.

    The address is told, unless it was lately. `hashes`: as of `invitations.order_mail`.
    """
    mails.lock_address(session, invitation.address)
    session.flush()
    session.refresh(invitation)
    if not is_live(invitation, now):
        return False
    invitation.awaits = None
    session.flush()
    bound = associations.of_address(session, invitation.address)
    if bound is not None:
        delivery.order_delivery(session, now, invitation, bound.user_id)
    elif is_due_a_mail(session, now, invitation):
        invitations.order_mail(session, now, invitation, by=invitation.sender, hashes=hashes)
    return True


def refuse(session: Session, now: datetime, invitation: ThirdPartyInvitation, why: str) -> None:
    """The room has not got it, or nobody says so: it ends, and who sent it is told.

    One that was mailed before and asked for again stays, without a further mail. Nothing happens
    if the room took it after all while it was asked.
    """
    bound = associations.of_user(session, invitation.sender)
    if bound:  # before any row, as all that orders mails
        mails.lock_address(session, bound[0].address)
    session.refresh(invitation, with_for_update=True)
    if not is_open_question(session, now, invitation):
        return
    state = State.REVOKED if invitation.awaits else None
    is_noted = record(session, now, invitation, state, Happened.NOT_IN_ROOM, by=BY, detail=why)
    if is_noted and state and bound:
        _tell_inviter(session, now, invitation, bound[0].address)


def told_of(session: Session, mail_id: UUID) -> list[ThirdPartyInvitation]:
    """The invitations a mail to their inviter tells of, oldest first."""
    return list(reversed(third_party_invitations.of_mail(session, mail_id)))


def _tell_inviter(
    session: Session, now: datetime, invitation: ThirdPartyInvitation, address: str
) -> None:
    """One mail that waits for its turn tells of all."""
    mail = mails.ordered_for_later(session, now, Template.NOT_INVITED, address)
    if mail is None:
        mail = mails.order(
            session,
            now,
            template=Template.NOT_INVITED,
            address=address,
            language="",
            subject_id=invitation.id,
        )
    session.flush()
    invitation.mail_id = mail.id
    session.flush()
