"""What operators and inviters see of an invitation: everything, or what the inviter may know."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from identity.accounts import models as accounts
from identity.core.clock import iso_time
from identity.mail import models as mails
from identity.mail.models import Mail, MailState
from identity.mail.quota import Template

from . import history as invitation_events
from .history import Happened, InvitationEvent
from .models import ThirdPartyInvitation
from .states import state_of

# The service itself, as author of events.
OURSELVES = ("worker", "mail", "timetable", "the rules")
INVITED = "the invited person"
# Details about this invitation alone. Others would reveal what else the address is sent or refuses.
VISIBLE_DETAILS = (
    *(Happened.REFUSED, Happened.EXTENDED, Happened.NOT_IN_ROOM),
    *(Happened.ROOM_EMPTIED, Happened.ROOM_NOT_EMPTIED),
)
NOT_SENT = (MailState.DROPPED, MailState.WITHHELD)


def summary_of(invitation: ThirdPartyInvitation, now: datetime) -> dict[str, Any]:
    """The invitation without its address, which callers add in full or masked."""
    return {
        "id": str(invitation.id),
        "room_id": invitation.room_id,
        "sender": invitation.sender,
        "state": state_of(invitation, now).value,
        "for_guest": invitation.for_guest,
        "created_at": iso_time(invitation.created_at),
        "asked_at": iso_time(invitation.asked_at or invitation.created_at),
        "expires_at": iso_time(invitation.expires_at),
        "ended_at": iso_time(invitation.ended_at),
    }


def describe_for_inviter(
    session: Session, now: datetime, invitation: ThirdPartyInvitation
) -> dict[str, Any]:
    """An invitation with its history and mails.

    Not included: why it was declined, who accepted it, and what else the address is sent.
    """
    events = invitation_events.find_events(session, invitation.id)
    return summary_for_inviter(invitation, now) | {
        "history": [_event_for_inviter(event, invitation) for event in events],
        "mails": _mails_for_inviter(_find_mails(session, invitation), events, invitation),
    }


def summary_for_inviter(invitation: ThirdPartyInvitation, now: datetime) -> dict[str, Any]:
    """The summary with the address that the inviter typed; None once it is deleted."""
    is_kept = "@" in invitation.address
    return summary_of(invitation, now) | {"address": invitation.address if is_kept else None}


def describe_for_operator(session: Session, invitation: ThirdPartyInvitation) -> dict[str, Any]:
    """History, mails, and the account that was created by the invitation."""
    events = invitation_events.find_events(session, invitation.id)
    account = accounts.find_by_address(session, invitation.address)
    return {
        "language": invitation.language,
        "reminded_at": iso_time(invitation.reminded_at),
        "sponsor": account.sponsor if account else None,
        "access_ends_at": iso_time(account.access_ends_at) if account else None,
        "history": [
            {
                "at": iso_time(event.at),
                "happened": event.happened,
                "by": event.by,
                "detail": event.detail,
            }
            for event in events
        ],
        "mails": [_describe_mail(mail) for mail in _find_mails(session, invitation)],
    }


def masked_address(invitation: ThirdPartyInvitation) -> str:
    """The address as operators see it; some time after the end, the hash that replaced it."""
    if "@" not in invitation.address:
        return invitation.address
    return EmailAddress.stored(invitation.address).masked


def _find_mails(session: Session, invitation: ThirdPartyInvitation) -> list[Mail]:
    return mails.find_by_invitation(session, invitation.address, invitation.id, invitation.mail_id)


def _describe_mail(mail: Mail) -> dict[str, Any]:
    return {
        "template": mail.template,
        "state": mail.state,
        "created_at": iso_time(mail.created_at),
        "due_at": iso_time(mail.goes_at),
        "handed_at": iso_time(mail.handed_at),
        "outcome": mail.outcome,
    }


def _mails_for_inviter(
    mails_sent: list[Mail], events: list[InvitationEvent], invitation: ThirdPartyInvitation
) -> list[dict[str, Any]]:
    """Newest first. A requested mail is shown as waiting until one was sent.

    Inviters must not see that none was ordered because it is unwanted, or that it is combined with
    mails for other addresses.
    """
    shown = [_mail_for_inviter(mail, invitation) for mail in mails_sent]
    asked = [event.at for event in events if event.happened == Happened.MAILED]
    if asked and not any(_answers(mail, asked[-1]) for mail in mails_sent):
        shown.insert(0, _WAITS | {"created_at": iso_time(asked[-1])})
    return shown


_WAITS = {
    "template": Template.INVITE.value,
    "state": MailState.WAITING.value,
    "handed_at": None,
    "outcome": None,
}


def _answers(mail: Mail, asked_at: datetime) -> bool:
    """Whether this mail serves the request of that time: a newer one, or one that waited."""
    left_at = mail.closed_at or mail.handed_at
    return (
        mail.created_at >= asked_at
        or mail.state == MailState.WAITING
        or (left_at is not None and left_at >= asked_at)
    )


def _mail_for_inviter(mail: Mail, invitation: ThirdPartyInvitation) -> dict[str, Any]:
    """The mail as if it were about this invitation alone, hiding that it is unwanted."""
    is_alone = mail.template == Template.REMINDER
    is_hidden = mail.state in NOT_SENT
    return {
        "template": mail.template if is_alone else Template.INVITE.value,
        "state": MailState.WAITING.value if is_hidden else mail.state,
        "created_at": iso_time(max(mail.created_at, invitation.created_at)),
        "handed_at": iso_time(mail.handed_at),
        "outcome": None if is_hidden else mail.outcome,
    }


def _event_for_inviter(event: InvitationEvent, invitation: ThirdPartyInvitation) -> dict[str, Any]:
    happened = Happened(event.happened)
    if happened is Happened.UNKNOWN_INVITER:
        happened = Happened.DECLINED  # the inviter is not told why
    if event.by == invitation.sender or event.by in OURSELVES:
        by = event.by
    else:
        by = INVITED if event.by == INVITED or event.by.startswith("@") else "operator"
    return {
        "at": iso_time(event.at),
        "happened": happened.value,
        "by": by,
        "detail": event.detail if happened in VISIBLE_DETAILS else None,
    }
