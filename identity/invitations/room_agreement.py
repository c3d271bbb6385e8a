"""Holds an invitation's mail back until its room holds the invitation.

A homeserver calls store-invite before it sends the invitation's event, which the room may still
refuse. Our module in the homeserver reports every event that the room accepted. Without a report
the homeserver is asked after a short grace period, as far as it can be asked.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from domain_rules.user_ids import homeserver_of
from identity.core import continuity, outbox
from identity.core.database import limits_count
from identity.core.keyed_hashes import KeyedHashes
from identity.core.outbox import Job, JobKind, Lane
from identity.homeservers import module_models, modules as homeserver_modules
from identity.homeservers.module_models import HomeserverModule
from identity.homeservers.modules import THIRD_PARTY_INVITED
from identity.invitations import delivery
from identity.mail import models as mails
from identity.mail.quota import Template
from identity.threepids import associations

from . import (
    history as invitation_events,
    models as third_party_invitations,
    service as invitations,
)
from .history import Happened
from .models import Awaits, State, ThirdPartyInvitation
from .states import is_live, is_open, record_event

GRACE = timedelta(seconds=3)
ASKED = (GRACE, timedelta(seconds=15), timedelta(seconds=60))
"""When the room is asked, after the request; a no is believed after the last time."""
LATE = timedelta(minutes=10)
"""How long a mail may be held back before operators are alerted."""
QUIET = timedelta(hours=72)  # a repeated invitation is mailed again after that time at the earliest
BY = "worker"
REFUSED = "the room did not take it: no mail left"
UNKNOWN = "nobody said whether the room took it: no mail left"


def order_room_check(session: Session, now: datetime, invitation: ThirdPartyInvitation) -> None:
    """Enqueue the job that asks whether the room holds it, unless a report confirms it first."""
    session.add(new_room_check(now, invitation))
    outbox.wake(session, Lane.NORMAL)


def new_room_check(now: datetime, invitation: ThirdPartyInvitation) -> Job:
    """That job, for whoever inserts it with other rows, and wakes its lane."""
    return outbox.new_job(
        JobKind.ROOM_TOOK,
        invitation.id,
        now,
        lane=Lane.NORMAL,
        due_at=now + GRACE,
        homeserver=homeserver_of(invitation.sender),
    )


def expected_confirmation(session: Session, now: datetime, sender: str) -> Awaits:
    """What must confirm a new invitation of this sender."""
    return confirmation_by(module_models.find(session, homeserver_of(sender)), now)


def confirmation_by(module: HomeserverModule | None, now: datetime) -> Awaits:
    """What must confirm a new invitation from the homeserver of this module."""
    tells = homeserver_modules.reports_now(module, now, THIRD_PARTY_INVITED)
    return Awaits.REPORT if tells else Awaits.GRACE


def is_open_question(session: Session, now: datetime, invitation: ThirdPartyInvitation) -> bool:
    """Whether it must still be confirmed that the room holds it.

    A confirmed invitation counts too when it was requested again and a mail is due.
    """
    if not is_live(invitation, now):
        return False
    return invitation.awaits is not None or is_due_a_mail(session, now, invitation)


def is_due_a_mail(session: Session, now: datetime, invitation: ThirdPartyInvitation) -> bool:
    """Whether its address was never mailed about it, or may be mailed again.

    That is when it was requested again, long enough after its last mail.
    """
    if not is_open(invitation, now):
        return False
    mailed_at = invitations.last_mailed_at(session, invitation)
    if mailed_at is None:
        return True
    is_limited = limits_count(session)
    return mailed_at < invitation.last_asked and (not is_limited or now >= mailed_at + QUIET)


def confirm(
    session: Session,
    now: datetime,
    invitation: ThirdPartyInvitation,
    hashes: KeyedHashes | None = None,
) -> bool:
    """The room holds it: order its mail, or deliver it to the owner of the address.

    No mail is ordered if the address was mailed lately. `hashes`: as for `invitations.order_mail`.
    Returns False if it ended before.
    """
    mails.lock_address(session, invitation.address)
    session.flush()
    session.refresh(invitation)
    if not is_live(invitation, now):
        return False
    invitation.awaits = None
    session.flush()
    bound = associations.find_by_address(session, invitation.address)
    if bound is not None:
        delivery.order_delivery(session, now, invitation, bound.user_id)
    elif is_due_a_mail(session, now, invitation):
        # The first mail of one from a list is in its organisation's quota, not in the inviter's.
        is_first = invitation.by_list and invitation.mail_id is None
        by = BY if is_first else invitation.sender
        invitations.order_mail(session, now, invitation, by=by, hashes=hashes)
    return True


def confirm_all(
    session: Session, now: datetime, invitation_ids: Collection[UUID], hashes: KeyedHashes
) -> None:
    """The rooms hold these invitations of lists: as `confirm` does for each."""
    found = third_party_invitations.find_these(session, invitation_ids)
    mails.lock_addresses(session, {each.address for each in found})
    found = third_party_invitations.find_these(session, invitation_ids)  # as they are now
    live = [each for each in found if is_live(each, now)]
    for each in live:
        each.awaits = None
    session.flush()
    bound = associations.find_by_addresses(session, {each.address for each in live})
    mailed = invitation_events.find_mailed(session, [each.id for each in live])
    first = []
    for each in live:
        if each.address in bound:
            delivery.order_delivery(session, now, each, bound[each.address])
        elif each.id not in mailed and each.by_list and each.mail_id is None:
            first.append(each)
        elif is_due_a_mail(session, now, each):
            invitations.order_mail(session, now, each, by=each.sender, hashes=hashes)
    # The first mails are in the organisation's quota, not in the inviter's.
    invitations.order_first_mails(session, now, first, by=BY, hashes=hashes)


def refuse(session: Session, now: datetime, invitation: ThirdPartyInvitation, why: str) -> None:
    """End an invitation that the room does not hold, or nobody confirms, and tell its sender.

    One that was mailed before and requested again stays open, without a further mail. Nothing
    happens if it was confirmed meanwhile. Of one that was requested before a backup was loaded, the
    sender may have been told.
    """
    bound = associations.find_by_user(session, invitation.sender)
    if bound:  # before any row, as everything that orders mails does
        mails.lock_address(session, bound[0].address)
    session.refresh(invitation, with_for_update=True)
    if not is_open_question(session, now, invitation):
        return
    state = State.REVOKED if invitation.awaits else None
    is_noted = record_event(
        session, now, invitation, state, Happened.NOT_IN_ROOM, by=BY, detail=why
    )
    was_told = continuity.was_restored_after(session, invitation.last_asked)
    if is_noted and state and bound and not was_told:
        _tell_inviter(session, now, invitation, bound[0].address)


def find_named_in(session: Session, mail_id: UUID) -> list[ThirdPartyInvitation]:
    """The invitations that a mail to their inviter names, oldest first."""
    return list(reversed(third_party_invitations.find_by_mail(session, mail_id)))


def _tell_inviter(
    session: Session, now: datetime, invitation: ThirdPartyInvitation, address: str
) -> None:
    """Order a mail to the inviter, or add to one that waits."""
    mail = mails.find_scheduled(session, now, Template.NOT_INVITED, address)
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
