"""The mails that tell addresses of invitations: one for all that come within half an hour, and a few a day.

A mail is to one address, for another one has links and a code of its own, and may be another person's. The
addresses of a mailbox share its turns: whose mail leaves is found out when there is one (`close`), so
what waits delays nobody.

- Of one sender one mail waits for a mailbox, whatever tags they know. It carries their invitations to its
  other tagged addresses; when it leaves, they go into the next mail, which begins anew at the end.
  Nothing carries those to the address without a tag: it has turns of its own.
- The mailbox's own address, and all the tagged ones together, take turns.
"""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from identity.core import outbox
from identity.core.keyed_hashes import KeyedHashes
from identity.core.outbox import JobKind
from identity.mail import models as mails
from identity.mail.models import INVITING, LANES, Mail, MailState, Template
from identity.mail.quota import HALF_AN_HOUR

from . import mail_queue as inviting_mails
from . import models as third_party_invitations
from . import opting_out
from .models import ThirdPartyInvitation

# Who invites to several rooms at once has a homeserver ask for one after the other.
GATHERED = timedelta(seconds=3)
WAYS = {
    Template.INVITE: (Template.INVITE_DIGEST,),
    Template.INVITE_DIGEST: (Template.INVITE,),
}
"""As what else a mail that waits may leave."""


def order(
    session: Session,
    now: datetime,
    invitation: ThirdPartyInvitation,
    hashes: KeyedHashes | None = None,
) -> datetime:
    """See that a mail tells of this invitation: when that may be.

    Nothing is ordered, and the same is answered, if the mailbox wants none of the sender. Without
    `hashes` nobody can tell here, and the worker finds it out.

    The caller holds `mails.lock_address`.
    """
    mail, template, due_at = None, Template.INVITE, now
    if session.info.get("limited", True):
        mail = _joinable(session, invitation)
        earliest = max(now, invitation.last_asked + GATHERED)
        template, due_at = _soonest(session, earliest, invitation.address, Template.INVITE)
    if hashes is not None and _is_unwanted(session, hashes, invitation):
        return mail.goes_at if mail else due_at
    if mail is None:
        mail = _new(session, now, invitation, template, due_at)
    elif mail.template == Template.REMINDER:  # of something new it tells sooner
        _bring_forward(session, mail, template, due_at)
    invitation.mail_id = mail.id
    session.flush()
    return mail.goes_at


def remind(
    session: Session,
    now: datetime,
    due: list[ThirdPartyInvitation],
    hashes: KeyedHashes | None = None,
) -> list[ThirdPartyInvitation]:
    """One reminder of several invitations of one address, newest first: those that need no other.

    They go with a mail that waits for this address. Whose sender has another mail waiting for the mailbox
    is left for later, and everything is while the mailbox has had its mails and nothing waits.

    The caller holds `mails.lock_address`.
    """
    unwanted = [each for each in due if hashes and _is_unwanted(session, hashes, each)]
    told = [each for each in due if each not in unwanted]
    if not told:
        return unwanted
    address = told[0].address
    mail = inviting_mails.to_address(session, address)
    if mail is None:
        mailbox = mails.mailbox_of(address)
        told = [each for each in told if _turn_of(session, address, each.sender) is None]
        _, due_at = _soonest(session, now, address, Template.REMINDER)
        if not told or (due_at > now and not inviting_mails.waiting(session, mailbox)):
            return unwanted
        mail = _new(session, now, told[0], Template.REMINDER, due_at)
    for each in told:
        each.mail_id = mail.id
    session.flush()
    return [*told, *unwanted]


def close(session: Session, now: datetime, mail: Mail) -> datetime | None:
    """A due mail is about to be written: from now on no invitation joins it.

    It stays open and waits for the moment that is given back if its mailbox has had enough for now, or
    if another mail to it goes first.
    """
    if mail.closed_at is not None:
        return None
    mails.lock_address(session, mail.address)
    session.refresh(mail)
    if mail.state != MailState.WAITING or mail.closed_at is not None:
        return None
    template, leaves_at = _soonest(session, now, mail.address, Template(mail.template))
    if leaves_at <= now and (first := _next(session, now, mail)).id != mail.id:
        leaves_at = now + HALF_AN_HOUR
        if mail.template != Template.REMINDER:  # who waits for it does not wait for its lane too
            outbox.make_due_now(
                session, now, JobKind.MAIL, first.id, LANES[Template(mail.template)]
            )
    mail.template, mail.due_at = template, leaves_at
    if leaves_at > now:
        session.flush()
        return leaves_at
    mail.closed_at = now
    session.flush()
    for each in inviting_mails.carried_by_others(session, mail):
        each.mail_id = mail.id
    go_on(session, now, mail)
    return None


def go_on(session: Session, now: datetime, mail: Mail) -> None:
    """A mail leaves, or never will: what it carried for other addresses of the mailbox goes into the next."""
    carried = inviting_mails.carried_for_others(session, mail)
    for each in carried:
        each.mail_id = None
    session.flush()
    # There may be thousands: whoever has a mail for one has it for all, and nothing is asked for each.
    of_address: dict[str, UUID | None] = {}
    of_sender: dict[str, UUID | None] = {}
    for each in carried:
        is_tagged = mails.is_tagged(each.address)
        each.mail_id = (
            of_address.get(each.address) or (is_tagged and of_sender.get(each.sender)) or None
        )
        if each.mail_id is None:
            order(session, now, each)
            of_address[each.address] = each.mail_id
            if is_tagged:
                of_sender[each.sender] = each.mail_id
    session.flush()


def give_turn_back(session: Session, now: datetime, mail: Mail) -> None:
    """Its reason ended before it left, so it took nobody's turn: what waits behind it may leave at once."""
    for each in inviting_mails.waiting(session, mail.mailbox):
        _bring_forward(
            session, each, *_soonest(session, now, each.address, Template(each.template))
        )


def about(session: Session, now: datetime, mail: Mail) -> list[ThirdPartyInvitation]:
    """The invitations a mail tells of, newest first; of an older version's mail, by its subject."""
    if mail.template not in INVITING:
        return []
    if told := third_party_invitations.of_mail(session, mail.id):
        return [each for each in told if each.address == mail.address]
    if mail.template == Template.INVITE_DIGEST:
        waiting = third_party_invitations.waiting_for(session, mail.address, now)
        return [each for each in waiting if each.created_at <= mail.created_at]
    found = third_party_invitations.find(session, mail.subject_id)
    return [found] if found else []


def of_other_senders(
    session: Session, invitation: ThirdPartyInvitation
) -> list[ThirdPartyInvitation]:
    """What the latest mail of an invitation told its address of beside it: the newest of each other sender."""
    if invitation.mail_id is None:
        return []
    told = third_party_invitations.of_mail(session, invitation.mail_id)
    here = [each for each in told if each.address == invitation.address]
    newest = {each.sender: each for each in reversed(here) if each.sender != invitation.sender}
    return list(reversed(newest.values()))


def _soonest(
    session: Session, earliest: datetime, address: str, template: Template
) -> tuple[Template, datetime]:
    """As what such a mail may leave first, by those that left, and when: over the invitations of a day as a digest."""
    ways = (template, *WAYS.get(template, ()))
    at = {way: inviting_mails.may_leave_at(session, earliest, address, way) for way in ways}
    first = min(at, key=lambda way: at[way])
    return first, at[first]


def _next(session: Session, now: datetime, mail: Mail) -> Mail:
    """Whose turn it is: of this mail and the others that may leave its mailbox's queue now."""
    if not session.info.get("limited", True):
        return mail
    able = [
        each
        for each in inviting_mails.waiting(session, mail.mailbox)
        if each.id == mail.id or _may_leave(session, now, each)
    ]
    last = inviting_mails.went_last(session, mail.mailbox)
    was_own = last is not None and last.address == last.mailbox
    # Sorting keeps who asked first in front.
    in_turn = sorted(able, key=lambda each: (each.address == each.mailbox) == was_own)
    return in_turn[0] if in_turn else mail


def _may_leave(session: Session, now: datetime, mail: Mail) -> bool:
    if mail.goes_at > now:
        return False
    _, at = _soonest(session, now, mail.address, Template(mail.template))
    return at <= now


def _joinable(session: Session, invitation: ThirdPartyInvitation) -> Mail | None:
    waiting = inviting_mails.to_address(session, invitation.address)
    return waiting or _turn_of(session, invitation.address, invitation.sender)


def _turn_of(session: Session, address: str, sender: str) -> Mail | None:
    """The mail of this sender that waits for a turn at the mailbox; the address without a tag waits for none."""
    if not mails.is_tagged(address):
        return None
    return inviting_mails.of_sender(session, mails.mailbox_of(address), sender)


def _is_unwanted(session: Session, hashes: KeyedHashes, invitation: ThirdPartyInvitation) -> bool:
    return opting_out.is_unwanted(
        session, hashes, address=invitation.address, sender=invitation.sender
    )


def _new(
    session: Session,
    now: datetime,
    invitation: ThirdPartyInvitation,
    template: Template,
    due_at: datetime,
) -> Mail:
    mail = mails.order(
        session,
        now,
        template=template,
        address=invitation.address,
        language=invitation.language,
        subject_id=invitation.id,
        due_at=due_at,
    )
    session.flush()
    return mail


def _bring_forward(session: Session, mail: Mail, template: Template, due_at: datetime) -> None:
    was, mail.template = mail.template, template
    if due_at < mail.goes_at or was != template:
        mails.bring_forward(session, mail, min(due_at, mail.goes_at))
