"""Groups invitations into mails: one mail for all that arrive within half an hour, a few a day.

Every mail goes to exactly one address, since other addresses have links and codes of their own and
may belong to other people. But all addresses of a mailbox (`ana+a@`, `ana+b@` …) share its limits.
Which mail goes next is decided when one may be sent (`close`), so waiting mails delay nobody.

- For each sender at most one mail waits for a mailbox, whatever tags the sender knows. It carries
  their invitations to the mailbox's other tagged addresses; when it is sent, those move into the
  next mail, which joins the end of the queue.
- Invitations to the address without a tag are never carried that way: it has turns of its own.
- The address without a tag, and all the tagged ones together, take turns.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from domain_rules.user_ids import homeserver_of
from identity.core import foreseen, outbox
from identity.core.database import limits_count
from identity.core.keyed_hashes import KeyedHashes
from identity.core.outbox import JobKind
from identity.homeservers import standing as homeserver_standing
from identity.mail import models as mails
from identity.mail.models import LANES, Mail, MailState
from identity.mail.quota import HALF_AN_HOUR, INVITING, Template

from . import (
    block_models as inviter_blocks,
    mail_queue,
    models as third_party_invitations,
    opting_out,
)
from .models import ThirdPartyInvitation

# For several invitations at once, a homeserver sends one request after the other.
STOPPED: Final = "who is stopped"
GATHERING_TIME = timedelta(seconds=3)
ALTERNATIVES = {
    Template.INVITE: (Template.INVITE_DIGEST,),
    Template.INVITE_DIGEST: (Template.INVITE,),
}
"""As which other template a waiting mail may be sent."""


def join_or_order(
    session: Session,
    now: datetime,
    invitation: ThirdPartyInvitation,
    hashes: KeyedHashes | None = None,
) -> datetime:
    """Add an invitation to a waiting mail or order a new one; returns when that mail may be sent.

    If the mailbox wants no invitations from this sender, nothing is ordered, but the answer is the
    same. Without `hashes` that cannot be checked here, and the worker checks it later.

    The caller holds `mails.lock_address`.
    """
    mail, template, due_at = None, Template.INVITE, now
    if limits_count(session):
        mail = _find_joinable(session, invitation)
        earliest = max(now, invitation.last_asked + GATHERING_TIME)
        template, due_at = _soonest(session, earliest, invitation.address, Template.INVITE)
    if hashes is not None and _is_unwanted(session, hashes, invitation):
        return mail.goes_at if mail else due_at
    if mail is None:
        mail = _order_new(session, now, invitation, template, due_at)
    elif mail.template == Template.REMINDER:  # a new invitation is mailed sooner than a reminder
        _bring_forward(session, mail, template, due_at)
    invitation.mail_id = mail.id
    session.flush()
    return mail.goes_at


def order_first(
    session: Session,
    now: datetime,
    invitations: Sequence[ThirdPartyInvitation],
    hashes: KeyedHashes,
) -> dict[UUID, datetime]:
    """Order a mail for each whose mailbox waits for no other. Returns when that mail may be sent.

    As `join_or_order` does one by one, which is to be asked about the others. The caller holds the
    locks of the addresses.
    """
    of_mailbox = Counter(mails.mailbox_of(each.address) for each in invitations)
    mail_queue.foresee(session, now, list(of_mailbox))
    opting_out.foresee(session, hashes, {each.address for each in invitations})
    ordered: dict[UUID, datetime] = {}
    for each in invitations:
        mailbox = mails.mailbox_of(each.address)
        is_alone = of_mailbox[mailbox] == 1 and not mail_queue.find_waiting(session, mailbox)
        if not is_alone or _is_unwanted(session, hashes, each):
            continue
        template, due_at = Template.INVITE, now
        if limits_count(session):
            earliest = max(now, each.last_asked + GATHERING_TIME)
            template, due_at = _soonest(session, earliest, each.address, template)
        mail = _order(session, now, each, template, due_at)
        each.mail_id, ordered[each.id] = mail.id, mail.goes_at
        mail_queue.forget(session, mail)
    session.flush()
    return ordered


def order_reminder(
    session: Session,
    now: datetime,
    due: list[ThirdPartyInvitation],
    hashes: KeyedHashes | None = None,
) -> list[ThirdPartyInvitation]:
    """Remind one address of several invitations, newest first; returns those that are settled.

    They join a mail that waits for this address. An invitation whose sender has another mail
    waiting for the mailbox is left for later. So is everything while the mailbox had its mails and
    none is waiting.

    The caller holds `mails.lock_address`.
    """
    unwanted = [each for each in due if hashes and _is_unwanted(session, hashes, each)]
    wanted = [each for each in due if each not in unwanted]
    if not wanted:
        return unwanted
    address = wanted[0].address
    mail = mail_queue.find_by_address(session, address)
    if mail is None:
        mailbox = mails.mailbox_of(address)
        wanted = [
            each
            for each in wanted
            if _find_waiting_of_inviter(session, address, each.sender) is None
        ]
        _, due_at = _soonest(session, now, address, Template.REMINDER)
        if not wanted or (due_at > now and not mail_queue.find_waiting(session, mailbox)):
            return unwanted
        mail = _order_new(session, now, wanted[0], Template.REMINDER, due_at)
    for each in wanted:
        each.mail_id = mail.id
    session.flush()
    return [*wanted, *unwanted]


def close(session: Session, now: datetime, mail: Mail) -> datetime | None:
    """Let no invitation join a due mail that is about to be written.

    Returns a time if the mail must wait until then and stays open: its mailbox had its mails for
    now, or another mail to it goes first.
    """
    if mail.closed_at is not None:
        return None
    mails.lock_address(session, mail.address)
    if not mail_queue.is_foreseen(session, mail.mailbox):
        session.refresh(mail)
    if mail.state != MailState.WAITING or mail.closed_at is not None:
        return None
    template, leaves_at = _soonest(session, now, mail.address, Template(mail.template))
    if leaves_at <= now and (first := _next_in_turn(session, now, mail)).id != mail.id:
        leaves_at = now + HALF_AN_HOUR
        if mail.template != Template.REMINDER:  # it must not wait for its lane as well
            outbox.make_due_now(
                session, now, JobKind.MAIL, first.id, LANES[Template(mail.template)]
            )
    mail.template, mail.due_at = template, leaves_at
    if leaves_at > now:
        session.flush()
        return leaves_at
    mail.closed_at = now
    if carried := mail_queue.find_carried_by_others(session, mail):
        blocked = inviter_blocks.find_user_ids(session, now)
        for each in carried:
            if each.sender not in blocked:  # their mail is held
                each.mail_id = mail.id
        mail_queue.forget(session, mail)
    pass_on_carried(session, now, mail)
    return None


def check_held(session: Session, now: datetime, mail: Mail) -> None:
    """Raises InviterBlocked, HomeserverSuspended if a mail is about nothing but invitations of theirs.

    Those of blocked inviters, and of people of suspended homeservers, leave a mail that is about
    others too: they wait in one of their own.
    """
    senders, suspended = foreseen.recall(
        session, STOPPED, None, lambda: _find_stopped(session, now)
    )
    if mail.state != MailState.WAITING or not (senders or suspended):
        return
    mails.lock_address(session, mail.address)
    session.refresh(mail)
    carried = third_party_invitations.find_by_mail(session, mail.id)
    about = carried or invitations_of(session, now, mail)
    blocked = [
        each for each in about if each.sender in senders or homeserver_of(each.sender) in suspended
    ]
    if not blocked:
        return
    if len(blocked) == len(about):
        inviter_blocks.check(session, now, blocked[0].sender)
        homeserver_standing.check_user(session, blocked[0].sender)
    apart = _order_new(session, now, blocked[0], Template.INVITE, now)
    for each in blocked:
        each.mail_id = apart.id
    session.flush()
    mail_queue.forget(session, mail)


def foresee(session: Session, now: datetime, found: Sequence[Mail]) -> list[ThirdPartyInvitation]:
    """Read at once what `check_held` and `close` will ask for about mails whose mailboxes are locked.

    Returns the invitations in them, to be kept.
    """
    foreseen.remember(session, STOPPED, {None: _find_stopped(session, now)})
    mail_queue.foresee(session, now, [mail.mailbox for mail in found])
    in_mail = third_party_invitations.find_by_mails(session, [mail.id for mail in found])
    foreseen.remember(session, third_party_invitations.IN_MAIL, in_mail)
    return [each for theirs in in_mail.values() for each in theirs]


def _find_stopped(session: Session, now: datetime) -> tuple[frozenset[str], frozenset[str]]:
    """The inviters who are blocked, and the homeservers that are suspended."""
    return inviter_blocks.find_user_ids(session, now), homeserver_standing.find_suspended(session)


def pass_on_carried(session: Session, now: datetime, mail: Mail) -> None:
    """Move what a mail carried for other addresses of the mailbox into the next mails.

    Called when the mail is sent, or never will be.
    """
    carried = mail_queue.find_carried_for_others(session, mail)
    if not carried:
        return
    mail_queue.forget(session, mail)
    for each in carried:
        each.mail_id = None
    session.flush()
    # There may be thousands, so the mail found for one address or sender serves all of them.
    of_address: dict[str, UUID | None] = {}
    of_sender: dict[str, UUID | None] = {}
    for each in carried:
        is_tagged = mails.is_tagged(each.address)
        each.mail_id = (
            of_address.get(each.address) or (is_tagged and of_sender.get(each.sender)) or None
        )
        if each.mail_id is None:
            join_or_order(session, now, each)
            of_address[each.address] = each.mail_id
            if is_tagged:
                of_sender[each.sender] = each.mail_id
    session.flush()


def give_turn_back(session: Session, now: datetime, mail: Mail) -> None:
    """Bring forward what waits behind a mail that was dropped, since it took no turn."""
    for each in mail_queue.find_waiting(session, mail.mailbox):
        _bring_forward(
            session, each, *_soonest(session, now, each.address, Template(each.template))
        )


def invitations_of(session: Session, now: datetime, mail: Mail) -> list[ThirdPartyInvitation]:
    """The invitations a mail is about, newest first.

    For a mail of an older version they are found by its subject.
    """
    if mail.template not in INVITING:
        return []
    if found := third_party_invitations.find_by_mail(session, mail.id):
        return [each for each in found if each.address == mail.address]
    if mail.template == Template.INVITE_DIGEST:
        waiting = third_party_invitations.find_waiting(session, mail.address, now)
        return [each for each in waiting if each.created_at <= mail.created_at]
    subject = third_party_invitations.find(session, mail.subject_id)
    return [subject] if subject else []


def find_invitations_of_others(
    session: Session, invitation: ThirdPartyInvitation
) -> list[ThirdPartyInvitation]:
    """The newest invitation of every other inviter in the latest mail of this invitation.

    Newest first.
    """
    if invitation.mail_id is None:
        return []
    together = third_party_invitations.find_by_mail(session, invitation.mail_id)
    here = [each for each in together if each.address == invitation.address]
    newest = {each.sender: each for each in reversed(here) if each.sender != invitation.sender}
    return list(reversed(newest.values()))


def _soonest(
    session: Session, earliest: datetime, address: str, template: Template
) -> tuple[Template, datetime]:
    """The template as which such a mail may be sent first, and when, counting only written mails.

    After the day's single invitations that is a digest.
    """
    options = (template, *ALTERNATIVES.get(template, ()))
    at = {each: mail_queue.earliest_departure(session, earliest, address, each) for each in options}
    first = min(at, key=lambda each: at[each])
    return first, at[first]


def _next_in_turn(session: Session, now: datetime, mail: Mail) -> Mail:
    """Which mail to the mailbox is next: this one, or another that may be sent now."""
    if not limits_count(session):
        return mail
    able = [
        each
        for each in mail_queue.find_waiting(session, mail.mailbox)
        if each.id == mail.id or _may_leave(session, now, each)
    ]
    if len(able) <= 1:
        return able[0] if able else mail
    last = mail_queue.find_last_closed(session, mail.mailbox)
    was_own = last is not None and last.address == last.mailbox
    # Sorting is stable: within each group the oldest mail stays first.
    in_turn = sorted(able, key=lambda each: (each.address == each.mailbox) == was_own)
    return in_turn[0]


def _may_leave(session: Session, now: datetime, mail: Mail) -> bool:
    if mail.goes_at > now:
        return False
    _, at = _soonest(session, now, mail.address, Template(mail.template))
    return at <= now


def _find_joinable(session: Session, invitation: ThirdPartyInvitation) -> Mail | None:
    waiting = mail_queue.find_by_address(session, invitation.address)
    return waiting or _find_waiting_of_inviter(session, invitation.address, invitation.sender)


def _find_waiting_of_inviter(session: Session, address: str, sender: str) -> Mail | None:
    """The mail of this sender that waits for its turn at the mailbox.

    None for an address without a tag: its invitations wait in no other mail.
    """
    if not mails.is_tagged(address):
        return None
    return mail_queue.find_by_sender(session, mails.mailbox_of(address), sender)


def _is_unwanted(session: Session, hashes: KeyedHashes, invitation: ThirdPartyInvitation) -> bool:
    return opting_out.is_unwanted(
        session, hashes, address=invitation.address, sender=invitation.sender
    )


def _order_new(
    session: Session,
    now: datetime,
    invitation: ThirdPartyInvitation,
    template: Template,
    due_at: datetime,
) -> Mail:
    mail = _order(session, now, invitation, template, due_at)
    session.flush()
    return mail


def _order(
    session: Session,
    now: datetime,
    invitation: ThirdPartyInvitation,
    template: Template,
    due_at: datetime,
) -> Mail:
    return mails.order(
        session,
        now,
        template=template,
        address=invitation.address,
        language=invitation.language,
        subject_id=invitation.id,
        due_at=due_at,
    )


def _bring_forward(session: Session, mail: Mail, template: Template, due_at: datetime) -> None:
    was, mail.template = mail.template, template
    if due_at < mail.goes_at or was != template:
        mails.bring_forward(session, mail, min(due_at, mail.goes_at))
