"""The life of an invitation: sent again, extended, declined, revoked; and what it allows."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from domain_rules.rule import AccountClass
from domain_rules.rules import DecisionReason, RuleSet
from domain_rules.user_ids import homeserver_of
from identity.accounts import classes as account_classes, models as accounts
from identity.core import outbox
from identity.core.database import limits_count
from identity.core.keyed_hashes import KeyedHashes
from identity.core.outbox import JobKind, Lane
from identity.invitations import delivery
from identity.mail import models as mails
from identity.threepids import associations

from . import (
    history as invitation_events,
    inviters,
    mail_grouping,
    models as third_party_invitations,
)
from .history import Happened
from .models import Delivery, State, ThirdPartyInvitation
from .states import is_live, is_open, last_open_state, record_event, state_of

LIFETIME_DAYS = 30
GUEST_ACCESS = timedelta(days=365)  # how long a guest's access lasts by default
UNDO_LIFETIME = timedelta(days=7)
RESEND_PAUSE = timedelta(hours=1)  # a mail may be under way that long


def revoke(
    session: Session,
    now: datetime,
    invitation: ThirdPartyInvitation,
    *,
    by: str,
    in_room: bool = True,
) -> bool:
    """End it: no registration by it, no mail, and its homeserver is asked to clear the event.

    `in_room=False`: the room's event is cleared already. Returns False if it has ended or was
    delivered.
    """
    _lock(session, invitation)
    if not is_live(invitation, now):
        return False
    if not record_event(session, now, invitation, State.REVOKED, Happened.REVOKED, by=by):
        return False
    _stop_delivery(session, invitation)
    if in_room:
        order_clearing(session, now, invitation)
    return True


def order_clearing(session: Session, now: datetime, invitation: ThirdPartyInvitation) -> None:
    """Enqueue the job that has its inviter's homeserver clear its event in the room."""
    asked = homeserver_of(invitation.sender)
    outbox.enqueue(
        session, JobKind.REVOCATION, invitation.id, now, lane=Lane.NORMAL, homeserver=asked
    )


def extend(
    session: Session,
    now: datetime,
    invitation: ThirdPartyInvitation,
    *,
    by: str,
    days: int = LIFETIME_DAYS,
) -> bool:
    """Let it stand until `days` from now, or longer if it does already; an expired one is reopened.

    Returns False if it ended otherwise, or a newer one replaced it. Raises InvitationsPaused for
    its inviter.
    """
    _lock(session, invitation)
    if by == invitation.sender:
        inviters.check_not_paused(session, now, by, for_guest=invitation.for_guest)
    state = state_of(invitation, now)
    if state is State.EXPIRED:
        if not _can_return(session, now, invitation):
            return False
    elif not is_live(invitation, now):
        return False
    is_over = invitation.state == State.EXPIRED
    to = last_open_state(session, invitation) if is_over else None
    prolong(session, now, invitation, to, by=by, days=days)
    return True


def prolong(
    session: Session,
    now: datetime,
    invitation: ThirdPartyInvitation,
    to: State | None = None,
    *,
    by: str,
    days: int = LIFETIME_DAYS,
) -> None:
    """As `extend`, for a live one (or `to` this state) that was read under the lock of its address."""
    until = max(invitation.expires_at, now + timedelta(days=days))
    detail = f"until {until.isoformat(timespec='seconds')}"
    if to is None:
        invitation.expires_at = until  # together with what else is new
    record_event(session, now, invitation, to, Happened.EXTENDED, by=by, detail=detail)
    invitation.expires_at = until
    session.flush()


def resend(
    session: Session,
    now: datetime,
    invitation: ThirdPartyInvitation,
    *,
    by: str,
    hashes: KeyedHashes | None = None,
) -> bool:
    """Order its mail once more.

    Returns False: too soon (see `resend_allowed_at`), or it is not open.

    Raises TooManyInvitations if its inviter had as many mails sent as a day allows, and
    InvitationsPaused.
    """
    _lock(session, invitation)
    if not is_open(invitation, now) or resend_allowed_at(session, now, invitation) > now:
        return False
    if invitation.awaits:  # its room may never accept it
        return False
    if by == invitation.sender:
        inviters.check_not_paused(session, now, by, for_guest=invitation.for_guest)
        inviters.check_quota(session, now, by, for_guest=invitation.for_guest)
    order_mail(session, now, invitation, by=by, hashes=hashes)
    return True


def resend_allowed_at(
    session: Session, now: datetime, invitation: ThirdPartyInvitation
) -> datetime:
    """When its mail may be requested again; `now` if at once."""
    mailed_at = last_mailed_at(session, invitation)
    if mailed_at is None or not limits_count(session):
        return now
    return max(now, mailed_at + RESEND_PAUSE)


def last_mailed_at(session: Session, invitation: ThirdPartyInvitation) -> datetime | None:
    """When a mail about it was last ordered."""
    event = invitation_events.find_last_event(session, invitation.id, Happened.MAILED)
    return event.at if event else None


def order_mail(
    session: Session,
    now: datetime,
    invitation: ThirdPartyInvitation,
    *,
    by: str,
    hashes: KeyedHashes | None = None,
) -> None:
    """Mail the address as soon as its mailbox may get such a mail, perhaps with other invitations.

    With `hashes` nothing is ordered where the sender is unwanted; the history says the same.
    """
    mails.lock_address(session, invitation.address)
    goes_at = mail_grouping.join_or_order(session, now, invitation, hashes)
    to = State.QUEUED if invitation.state == State.REFUSED else None
    record_event(session, now, invitation, to, Happened.MAILED, by=by, detail=_told(now, goes_at))


def order_first_mails(
    session: Session,
    now: datetime,
    invitations: Sequence[ThirdPartyInvitation],
    *,
    by: str,
    hashes: KeyedHashes,
) -> None:
    """Order the mails about invitations that never had one, as `order_mail` does for each.

    Call it under the locks of their addresses.
    """
    ordered = mail_grouping.order_first(session, now, invitations, hashes)
    for each in invitations:
        if each.id not in ordered:
            order_mail(session, now, each, by=by, hashes=hashes)
    for invitation_id, goes_at in ordered.items():
        detail = _told(now, goes_at)
        invitation_events.add_event(
            session, invitation_id, now, Happened.MAILED, by=by, detail=detail
        )
    session.flush()


def decline(
    session: Session,
    now: datetime,
    invitation: ThirdPartyInvitation,
    *,
    unknown_inviter: bool,
    by: str,
) -> bool:
    """The invited person declines. `unknown_inviter`: it counts against the sender.

    Returns False if it is too late.
    """
    _lock(session, invitation)
    happened = Happened.UNKNOWN_INVITER if unknown_inviter else Happened.DECLINED
    if state_of(invitation, now) is State.EXPIRED:
        return False
    if not record_event(session, now, invitation, State.DECLINED, happened, by=by):
        return False
    _stop_delivery(session, invitation)
    return True


def undo_decline(session: Session, now: datetime, invitation: ThirdPartyInvitation) -> bool:
    """Reopen a declined invitation.

    Returns False if it is too late, or a newer one replaced it.
    """
    _lock(session, invitation)
    declined_at = invitation.ended_at
    if (
        declined_at is None
        or now >= min(declined_at + UNDO_LIFETIME, invitation.expires_at)
        or invitation.delivery != Delivery.WAITING
        or not _can_return(session, now, invitation)
    ):
        return False
    to = last_open_state(session, invitation)
    if not record_event(session, now, invitation, to, Happened.TAKEN_BACK, by="the invited person"):
        return False
    bound = associations.find_by_address(session, invitation.address)
    if bound is not None:
        delivery.order_delivery(session, now, invitation, bound.user_id)
    return True


def may_register(session: Session, rules: RuleSet, now: datetime, address: EmailAddress) -> bool:
    """Whether the address may have an account: by the rules alone, or since it was invited."""
    decision = rules.decide(address)
    if decision.reason is DecisionReason.OPEN:
        return True
    return decision.homeserver is not None and is_invited(session, rules, now, address)


def is_invited(session: Session, rules: RuleSet, now: datetime, address: EmailAddress) -> bool:
    """Whether an invitation waits whose sender may still invite.

    Nobody is invited whose access as a guest has ended, until an operator extends it.
    """
    if accounts.has_access_ended(session, address.canonical, now):
        return False
    waiting = third_party_invitations.find_waiting(session, address.canonical, now)
    return any(account_classes.is_agent(session, rules, each.sender) for each in waiting)


def reconsider_class(session: Session, rules: RuleSet, invitation: ThirdPartyInvitation) -> bool:
    """Decide again whether it is for a guest, since rules change.

    Returns whether its sender may still invite.
    """
    decision = rules.decide(EmailAddress.stored(invitation.address))
    invitation.for_guest = decision.account_class is not AccountClass.AGENT
    return account_classes.is_agent(session, rules, invitation.sender)


def sponsor_of(session: Session, address: str, now: datetime) -> str | None:
    """The sponsor of the guest with this address: the sender of their oldest live invitation."""
    oldest = third_party_invitations.find_oldest_live(session, now, address)
    return oldest.sender if oldest else None


def _told(now: datetime, goes_at: datetime) -> str | None:
    """When a mail goes that does not go at once."""
    is_later = goes_at > now + mail_grouping.GATHERING_TIME
    return f"for {goes_at.isoformat(timespec='seconds')}" if is_later else None


def _lock(session: Session, invitation: ThirdPartyInvitation) -> None:
    """Lock the address, and reload the row."""
    mails.lock_address(session, invitation.address)
    session.flush()
    session.refresh(invitation)


def _can_return(session: Session, now: datetime, invitation: ThirdPartyInvitation) -> bool:
    if "@" not in invitation.address:
        return False
    newer = third_party_invitations.find_live(
        session,
        now,
        address=invitation.address,
        room_id=invitation.room_id,
        sender=invitation.sender,
    )
    return newer is None


def _stop_delivery(session: Session, invitation: ThirdPartyInvitation) -> None:
    """Cancel a delivery that has not begun; the job of one under way finds out how it ended."""
    third_party_invitations.move_delivery(
        session, invitation, source=(Delivery.DUE, Delivery.DEAD), to=Delivery.WAITING
    )
    session.refresh(invitation)
