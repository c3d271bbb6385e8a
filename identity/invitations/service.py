"""The life of an invitation: sent again, extended, declined, revoked; and what it allows as long as it stands."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from domain_rules.rules import AccountClass, Reason, RuleSet
from identity.accounts import classes as account_classes
from identity.core import outbox
from identity.core.keyed_hashes import KeyedHashes
from identity.core.outbox import JobKind, Lane
from identity.invitations import delivery
from identity.mail import models as mails
from identity.threepids import associations

from . import history as invitation_events
from . import inviters
from . import mail_grouping as invitation_mails
from . import models as third_party_invitations
from .history import Happened
from .models import Delivery, State, ThirdPartyInvitation
from .states import is_live, is_open, last_open, record, state_of

__all__ = [
    "decline",
    "extend",
    "is_invited",
    "is_live",
    "is_open",
    "may_register",
    "order_mail",
    "record",
    "resend",
    "revoke",
    "sponsor_of",
    "state_of",
    "undo_decline",
]

LIFETIME_DAYS = 30
GUEST_ACCESS = timedelta(days=365)  # how long a guest is expected, unless somebody says otherwise
UNDO_LIFETIME = timedelta(days=7)
RESEND_PAUSE = timedelta(hours=1)  # a mail may well be under way that long


def revoke(
    session: Session,
    now: datetime,
    invitation: ThirdPartyInvitation,
    *,
    by: str,
    in_room: bool = True,
) -> bool:
    """End it: nobody registers by it, no mail follows, and its homeserver is asked to empty the room's event.

    `in_room=False`: the event is empty already. False: it has ended, or was delivered.
    """
    _lock(session, invitation)
    if not is_live(invitation, now):
        return False
    if not record(session, now, invitation, State.REVOKED, Happened.REVOKED, by=by):
        return False
    _stop_delivery(session, invitation)
    if in_room:
        outbox.enqueue(session, JobKind.REVOCATION, invitation.id, now, lane=Lane.NORMAL)
    return True


def extend(
    session: Session,
    now: datetime,
    invitation: ThirdPartyInvitation,
    *,
    by: str,
    days: int = LIFETIME_DAYS,
) -> bool:
    """Let it stand until `days` from now, or longer if it does already; what has expired stands again.

    False: it ended otherwise, or a newer one took its place. Raises InvitationsPaused for its inviter.
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
    to = last_open(session, invitation) if is_over else None
    until = max(invitation.expires_at, now + timedelta(days=days))
    detail = f"until {until.isoformat(timespec='seconds')}"
    record(session, now, invitation, to, Happened.EXTENDED, by=by, detail=detail)
    invitation.expires_at = until
    session.flush()
    return True


def resend(
    session: Session,
    now: datetime,
    invitation: ThirdPartyInvitation,
    *,
    by: str,
    hashes: KeyedHashes | None = None,
) -> bool:
    """Order its mail once more. False: too soon (see `again_at`), or nobody waits for it any more.

    Raises TooManyInvitations: its inviter has had as many mails sent as a day allows; InvitationsPaused.
    """
    _lock(session, invitation)
    if not is_open(invitation, now) or again_at(session, now, invitation) > now:
        return False
    if invitation.awaits:  # its room may never take it
        return False
    if by == invitation.sender:
        inviters.check_not_paused(session, now, by, for_guest=invitation.for_guest)
        inviters.check_quota(session, now, by, for_guest=invitation.for_guest)
    order_mail(session, now, invitation, by=by, hashes=hashes)
    return True


def again_at(session: Session, now: datetime, invitation: ThirdPartyInvitation) -> datetime:
    """When its mail may be asked for again; `now` if at once."""
    mailed_at = last_mailed(session, invitation)
    if mailed_at is None or not session.info.get("limited", True):
        return now
    return max(now, mailed_at + RESEND_PAUSE)


def last_mailed(session: Session, invitation: ThirdPartyInvitation) -> datetime | None:
    """When a mail of it was last ordered."""
    event = invitation_events.last(session, invitation.id, Happened.MAILED)
    return event.at if event else None


def order_mail(
    session: Session,
    now: datetime,
    invitation: ThirdPartyInvitation,
    *,
    by: str,
    hashes: KeyedHashes | None = None,
) -> None:
    """Tell the address, at the first moment its mailbox may get such a mail, perhaps with other invitations.

    With `hashes` nothing is ordered where the sender is not wanted; the history says the same.
    """
    mails.lock_address(session, invitation.address)
    goes_at = invitation_mails.order(session, now, invitation, hashes)
    to = State.QUEUED if invitation.state == State.REFUSED else None
    later = goes_at > now + invitation_mails.GATHERED
    detail = f"for {goes_at.isoformat(timespec='seconds')}" if later else None
    record(session, now, invitation, to, Happened.MAILED, by=by, detail=detail)


def decline(
    session: Session,
    now: datetime,
    invitation: ThirdPartyInvitation,
    *,
    unknown_inviter: bool,
    by: str,
) -> bool:
    """The invited person does not want it; `unknown_inviter` counts against who sent it. False: too late."""
    _lock(session, invitation)
    happened = Happened.UNKNOWN_INVITER if unknown_inviter else Happened.DECLINED
    if state_of(invitation, now) is State.EXPIRED:
        return False
    if not record(session, now, invitation, State.DECLINED, happened, by=by):
        return False
    _stop_delivery(session, invitation)
    return True


def undo_decline(session: Session, now: datetime, invitation: ThirdPartyInvitation) -> bool:
    """It was a slip: the invitation stands as before. False: too late, or a newer one took its place."""
    _lock(session, invitation)
    declined_at = invitation.ended_at
    if (
        declined_at is None
        or now >= min(declined_at + UNDO_LIFETIME, invitation.expires_at)
        or invitation.delivery != Delivery.WAITING
        or not _can_return(session, now, invitation)
    ):
        return False
    to = last_open(session, invitation)
    if not record(session, now, invitation, to, Happened.TAKEN_BACK, by="the invited person"):
        return False
    bound = associations.of_address(session, invitation.address)
    if bound is not None:
        delivery.order_delivery(session, now, invitation, bound.user_id)
    return True


def may_register(session: Session, rules: RuleSet, now: datetime, address: EmailAddress) -> bool:
    """Whether the address may have an account: by the rules alone, or because somebody invited it."""
    decision = rules.decide(address)
    if decision.reason is Reason.OPEN:
        return True
    return decision.homeserver is not None and is_invited(session, rules, now, address)


def is_invited(session: Session, rules: RuleSet, now: datetime, address: EmailAddress) -> bool:
    """Whether an invitation waits whose sender may still invite."""
    waiting = third_party_invitations.waiting_for(session, address.canonical, now)
    return any(account_classes.is_agent(session, rules, each.sender) for each in waiting)


def reconsider(session: Session, rules: RuleSet, invitation: ThirdPartyInvitation) -> bool:
    """Decide anew whom it is for, since rules change. False: its sender may not invite any more."""
    decision = rules.decide(EmailAddress.stored(invitation.address))
    invitation.for_guest = decision.account_class is not AccountClass.AGENT
    return account_classes.is_agent(session, rules, invitation.sender)


def sponsor_of(session: Session, address: str, now: datetime) -> str | None:
    """Who answers for the guest of this address: who invited them first, of those whose invitations stand."""
    oldest = third_party_invitations.oldest_live(session, now, address)
    return oldest.sender if oldest else None


def _lock(session: Session, invitation: ThirdPartyInvitation) -> None:
    """One at a time, as for everything about an address; and on the row as it is then."""
    mails.lock_address(session, invitation.address)
    session.flush()
    session.refresh(invitation)


def _can_return(session: Session, now: datetime, invitation: ThirdPartyInvitation) -> bool:
    if "@" not in invitation.address:
        return False
    newer = third_party_invitations.live_of(
        session,
        now,
        address=invitation.address,
        room_id=invitation.room_id,
        sender=invitation.sender,
    )
    return newer is None


def _stop_delivery(session: Session, invitation: ThirdPartyInvitation) -> None:
    """What is about to be told to a homeserver is not told; a call under way is looked into by its errand."""
    third_party_invitations.move(
        session, invitation, source=(Delivery.DUE, Delivery.DEAD), to=Delivery.WAITING
    )
    session.refresh(invitation)
