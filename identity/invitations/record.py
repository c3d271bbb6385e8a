"""What is told of an invitation: everything to operators, to its inviter what is theirs to know."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from identity.accounts import models as accounts
from identity.mail import models as mails
from identity.mail.models import Mail, MailState, Template

from . import history as invitation_events
from .history import Happened, InvitationEvent
from .models import ThirdPartyInvitation
from .states import state_of

# Who has no name an inviter would know: what we do ourselves, by these words.
OURSELVES = ("worker", "mail", "timetable", "the rules")
INVITED = "the invited person"
# Details that speak of the invitation alone; others would tell what else the address gets, or wants.
PLAIN = (
    *(Happened.REFUSED, Happened.EXTENDED, Happened.NOT_IN_ROOM),
    *(Happened.ROOM_EMPTIED, Happened.ROOM_NOT_EMPTIED),
)
NOT_LEFT = (MailState.DROPPED, MailState.WITHHELD)


def summary(invitation: ThirdPartyInvitation, now: datetime) -> dict[str, Any]:
    """Without the address, which is shown to one and masked for another."""
    return {
        "id": str(invitation.id),
        "room_id": invitation.room_id,
        "sender": invitation.sender,
        "state": state_of(invitation, now).value,
        "for_guest": invitation.for_guest,
        "created_at": told_time(invitation.created_at),
        "asked_at": told_time(invitation.asked_at or invitation.created_at),
        "expires_at": told_time(invitation.expires_at),
        "ended_at": told_time(invitation.ended_at),
    }


def for_inviter(
    session: Session, now: datetime, invitation: ThirdPartyInvitation
) -> dict[str, Any]:
    """With history and mails. Not why it was declined, who took it, or what else the address is sent."""
    events = invitation_events.of_invitation(session, invitation.id)
    return summary_for_inviter(invitation, now) | {
        "history": [_event_for_inviter(event, invitation) for event in events],
        "mails": _mails_for_inviter(_mails(session, invitation), events, invitation),
    }


def summary_for_inviter(invitation: ThirdPartyInvitation, now: datetime) -> dict[str, Any]:
    """The inviter typed the address; some time after the end it is no longer kept."""
    is_kept = "@" in invitation.address
    return summary(invitation, now) | {"address": invitation.address if is_kept else None}


def for_operator(session: Session, invitation: ThirdPartyInvitation) -> dict[str, Any]:
    """With history, mails, and the account that came of it."""
    events = invitation_events.of_invitation(session, invitation.id)
    account = accounts.of_address(session, invitation.address)
    return {
        "language": invitation.language,
        "reminded_at": told_time(invitation.reminded_at),
        "sponsor": account.sponsor if account else None,
        "access_ends_at": told_time(account.access_ends_at) if account else None,
        "history": [
            {
                "at": told_time(event.at),
                "happened": event.happened,
                "by": event.by,
                "detail": event.detail,
            }
            for event in events
        ],
        "mails": [_mail(mail) for mail in _mails(session, invitation)],
    }


def masked(invitation: ThirdPartyInvitation) -> str:
    """The address as operators see it; some time after the end, the hash that is kept of it."""
    if "@" not in invitation.address:
        return invitation.address
    return EmailAddress.stored(invitation.address).masked


def told_time(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None


def _mails(session: Session, invitation: ThirdPartyInvitation) -> list[Mail]:
    return mails.about_invitation(session, invitation.address, invitation.id, invitation.mail_id)


def _mail(mail: Mail) -> dict[str, Any]:
    return {
        "template": mail.template,
        "state": mail.state,
        "created_at": told_time(mail.created_at),
        "due_at": told_time(mail.goes_at),
        "handed_at": told_time(mail.handed_at),
        "outcome": mail.outcome,
    }


def _mails_for_inviter(
    told: list[Mail], events: list[InvitationEvent], invitation: ThirdPartyInvitation
) -> list[dict[str, Any]]:
    """Newest first. A mail that was asked for waits, as far as its inviter can see, until one has left.

    That none was ordered (it is not wanted), or that it goes with another address's, they are not shown.
    """
    shown = [_mail_for_inviter(mail, invitation) for mail in told]
    asked = [event.at for event in events if event.happened == Happened.MAILED]
    if asked and not any(_answers(mail, asked[-1]) for mail in told):
        shown.insert(0, _WAITS | {"created_at": told_time(asked[-1])})
    return shown


_WAITS = {
    "template": Template.INVITE.value,
    "state": MailState.WAITING.value,
    "handed_at": None,
    "outcome": None,
}


def _answers(mail: Mail, asked_at: datetime) -> bool:
    """Whether this mail is the one that was asked for then: a new one, or one that waited already."""
    left_at = mail.closed_at or mail.handed_at
    return (
        mail.created_at >= asked_at
        or mail.state == MailState.WAITING
        or (left_at is not None and left_at >= asked_at)
    )


def _mail_for_inviter(mail: Mail, invitation: ThirdPartyInvitation) -> dict[str, Any]:
    """As if it told of this invitation alone, and without what would show that it is not wanted."""
    is_alone = mail.template == Template.REMINDER
    is_hidden = mail.state in NOT_LEFT
    return {
        "template": mail.template if is_alone else Template.INVITE.value,
        "state": MailState.WAITING.value if is_hidden else mail.state,
        "created_at": told_time(max(mail.created_at, invitation.created_at)),
        "handed_at": told_time(mail.handed_at),
        "outcome": None if is_hidden else mail.outcome,
    }


def _event_for_inviter(event: InvitationEvent, invitation: ThirdPartyInvitation) -> dict[str, Any]:
    happened = Happened(event.happened)
    if happened is Happened.UNKNOWN_INVITER:
        happened = Happened.DECLINED  # M42: the inviter is not told why
    if event.by == invitation.sender or event.by in OURSELVES:
        by = event.by
    else:
        by = INVITED if event.by == INVITED or event.by.startswith("@") else "operator"
    return {
        "at": told_time(event.at),
        "happened": happened.value,
        "by": by,
        "detail": event.detail if happened in PLAIN else None,
    }
