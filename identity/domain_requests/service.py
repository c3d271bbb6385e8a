"""What people do with a request: ask for their domain, answer a question, withdraw.

A request begins with the first proved mailbox of its domain; whoever asks later joins it. What
operators do stands in deciding.py.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy.orm import Session

from domain_rules import advice
from domain_rules.addresses import EmailAddress
from domain_rules.advice import AdviceState, SharedMailboxes
from domain_rules.rules import RuleSet
from identity.core import outbox, rows
from identity.core.database import limits_count
from identity.core.keyed_hashes import KeyedHashes
from identity.core.outbox import JobKind, Lane
from identity.mail import models as mails
from identity.mail.quota import Template
from identity.problems import DomainRequestDecided
from identity.routing.registrable import owner_of

from . import in_force, limits, models
from .models import (
    PENDING,
    UNDECIDED,
    DomainMessage,
    DomainRequest,
    DomainRequester,
    RequestState,
    Size,
)

MAX_FIELD: Final = 200  # characters
MAX_ANSWER: Final = 1000  # characters
WhyNever = Callable[[str], str | None]


class Door(StrEnum):
    """Whether somebody may ask for the domain of their address, and if not, why."""

    MAY_ASK = "may_ask"
    OPEN = "open"  # already
    SIBLING = "sibling"  # its organisation uses another domain
    NEVER = "never"  # anybody can get an address there
    SHARED_MAILBOX = "shared_mailbox"
    REFUSED = "refused"  # lately


@dataclass(frozen=True)
class AtTheDoor:
    """What stands at the door. `sibling`: the domain to use. `why`: of `never`, in English."""

    door: Door
    sibling: str = ""
    organisation: str = ""
    why: str = ""
    refused: DomainRequest | None = None


@dataclass(frozen=True)
class Wish:
    """What somebody says when they ask."""

    organisation: str
    position: str
    size: Size
    site: str = ""
    phone: str = ""
    it_contact: str = ""


@dataclass(frozen=True)
class Outcome:
    """The request, and what this mailbox said; None: only the number of people grew."""

    request: DomainRequest
    requester: DomainRequester | None
    is_new: bool


def look_at_door(
    session: Session,
    rules: RuleSet,
    now: datetime,
    address: EmailAddress,
    *,
    shared_mailboxes: SharedMailboxes,
    why_never: WhyNever,
) -> AtTheDoor:
    """Whether the domain of this address can be asked for."""
    advised = advice.advise(rules, address, keep_typed=True, shared_mailboxes=shared_mailboxes)
    organisation = advised.decision.organisation
    if advised.sibling:
        return AtTheDoor(Door.SIBLING, sibling=advised.sibling, organisation=organisation)
    if address in shared_mailboxes:
        return AtTheDoor(Door.SHARED_MAILBOX)
    if advised.state is AdviceState.OPEN:
        return AtTheDoor(Door.OPEN)
    if why := why_never(address.ascii_domain):
        return AtTheDoor(Door.NEVER, why=why)
    if refused := models.find_closed(session, address.ascii_domain, now):
        return AtTheDoor(Door.REFUSED, refused=refused)
    return AtTheDoor(Door.MAY_ASK)


def find_request_of(
    session: Session, address: EmailAddress
) -> tuple[DomainRequest, DomainRequester] | None:
    """The newest request that this mailbox is part of, if it is for its domain."""
    newest = models.find_newest(session, address.ascii_domain)
    own = models.find_own(session, newest.id, address.mailbox_key()) if newest else None
    return (newest, own) if newest and own else None


def ask(
    session: Session,
    hashes: KeyedHashes,
    now: datetime,
    *,
    address: EmailAddress,
    wish: Wish,
    language: str,
) -> Outcome:
    """Ask for the domain of a proved address: make the request, or join the one there is.

    A second time gives the first again. Where an owner is full only the number grows, once for each
    mailbox, of which a keyed hash is kept. Raises TooManyRequests: five in a day by this mailbox.
    Raises DomainRequestDecided: the domain was opened or refused since the door was looked at.
    """
    models.lock(session)
    mailbox = address.mailbox_key()
    request = models.find_pending(session, address.ascii_domain)
    own = models.find_own(session, request.id, mailbox) if request else None
    if request and own and own.withdrawn_at is None:
        return Outcome(request, own, is_new=False)
    if request is None:
        _check_undecided(session, now, address.ascii_domain)
    limits.check_mailbox(session, now, mailbox)
    owner = owner_of(address.ascii_domain)
    is_full = limits_count(session) and limits.is_full(session, owner)
    if request is None and is_full:
        request = models.find_most_wanted(session, owner)
    if request is None:
        request = _begin(session, now, address.ascii_domain, owner)
    counted = _find_counted(session, hashes, request, mailbox)
    if counted is None and (own is None or own.withdrawn_at is not None):
        request.people += 1
    if is_full and own is None:
        if counted is None:
            hidden = hashes.pseudonym_of(session, mailbox)
            session.add(_only_counted(hidden, request, now, language))
        session.flush()
        return Outcome(request, None, is_new=counted is None)
    if counted is not None:  # there is room by now
        session.delete(counted)
    own = own or DomainRequester(
        id=uuid.uuid4(),
        request_id=request.id,
        address=address.canonical,
        mailbox=mailbox,
        created_at=now,
    )
    own.organisation, own.position = on_a_line(wish.organisation), on_a_line(wish.position)
    own.size, own.site = wish.size, on_a_line(wish.site)
    own.phone, own.it_contact = on_a_line(wish.phone), on_a_line(wish.it_contact)
    own.language, own.withdrawn_at = language, None
    session.add(own)
    session.flush()
    if not mails.is_waiting(session, Template.DOMAIN_REQUEST, own.id):  # asked, withdrew, asked
        _order_mail(session, now, Template.DOMAIN_REQUEST, own)
    return Outcome(request, own, is_new=True)


def answer(
    session: Session,
    now: datetime,
    request: DomainRequest,
    requester: DomainRequester,
    text: str,
) -> None:
    """Answer the question of operators; the request waits for them again.

    The same answer twice, as by a double click, counts once. Raises DomainRequestDecided unless a
    question waits, or if they withdrew.
    """
    text = on_lines(text)[:MAX_ANSWER]
    if requester.withdrawn_at is not None:
        raise DomainRequestDecided(request.label, RequestState.WITHDRAWN)
    newest = models.find_newest_message(session, request.id)
    if newest and newest.requester_id == requester.id and newest.text == text:
        return
    own = (DomainRequest.id == request.id, DomainRequest.state == RequestState.ASKED)
    if not rows.update(session, DomainRequest, *own, state=RequestState.OPEN, changed_at=now):
        raise _decided(session, request)
    session.refresh(request)
    session.add(
        DomainMessage(
            id=uuid.uuid4(),
            request_id=request.id,
            requester_id=requester.id,
            author="",
            text=text,
            at=now,
        )
    )
    session.flush()


def withdraw(
    session: Session, now: datetime, request: DomainRequest, requester: DomainRequester
) -> None:
    """Take one's wish back. The request ends with the last one who had it.

    Raises DomainRequestDecided.
    """
    models.lock(session)
    session.refresh(request)
    session.refresh(requester)
    if request.state not in PENDING:
        raise _decided(session, request)
    if requester.withdrawn_at is not None:
        return
    requester.withdrawn_at = now
    request.people = max(0, request.people - 1)
    session.flush()
    if request.people == 0 and request.state in UNDECIDED:
        request.state = RequestState.WITHDRAWN
        request.ended_at = request.changed_at = now
        session.flush()


def order_evidence(session: Session, now: datetime, request: DomainRequest) -> None:
    """Let the worker collect the evidence, for the first time or anew."""
    if outbox.is_due(session, request.id, JobKind.DOMAIN_EVIDENCE, now):
        return
    outbox.enqueue(session, JobKind.DOMAIN_EVIDENCE, request.id, now, lane=Lane.BULK)


def _find_counted(
    session: Session, hashes: KeyedHashes, request: DomainRequest, mailbox: str
) -> DomainRequester | None:
    """The row by which this mailbox was only counted."""
    hidden = hashes.find_pseudonym(session, mailbox)
    return models.find_own(session, request.id, hidden) if hidden else None


def _only_counted(
    hidden: str, request: DomainRequest, now: datetime, language: str
) -> DomainRequester:
    """Nobody is told by it, and nothing else is known of them: only that they were counted."""
    nothing = dict.fromkeys(("organisation", "position", "site", "size", "phone", "it_contact"), "")
    return DomainRequester(
        id=uuid.uuid4(),
        request_id=request.id,
        address=hidden,
        mailbox=hidden,
        language=language,
        created_at=now,
        withdrawn_at=now,
        **nothing,
    )


def on_a_line(text: str) -> str:
    """What somebody typed, without line breaks, controls and signs that turn the order of letters."""
    return " ".join(on_lines(text).split())


def on_lines(text: str) -> str:
    """The same, with its line breaks."""
    lines = ("".join(map(_printable, line)).rstrip() for line in text.splitlines())
    return "\n".join(lines).strip()


def _printable(sign: str) -> str:
    return sign if sign.isprintable() else " " if sign.isspace() else ""


def _check_undecided(session: Session, now: datetime, domain: str) -> None:
    """Under the lock nobody decides. Raises DomainRequestDecided: somebody has, a moment ago."""
    closed = models.find_closed(session, domain, now)
    if closed is not None:
        raise _decided(session, closed)
    state = in_force.state_by(in_force.find_rules(session, now, [domain]).get(domain))
    if state is not None:
        raise DomainRequestDecided(domain, state)


def _begin(session: Session, now: datetime, domain: str, owner: str) -> DomainRequest:
    request = DomainRequest(
        id=uuid.uuid4(),
        number=models.next_number(session),
        domain=domain,
        owner=owner,
        state=RequestState.OPEN,
        people=0,
        created_at=now,
        changed_at=now,
        evidence={},
    )
    session.add(request)
    session.flush()
    order_evidence(session, now, request)
    return request


def _order_mail(
    session: Session, now: datetime, template: Template, requester: DomainRequester
) -> None:
    mails.lock_address(session, requester.address)
    mails.order(
        session,
        now,
        template=template,
        address=requester.address,
        language=requester.language,
        subject_id=requester.id,
    )


def _decided(session: Session, request: DomainRequest) -> DomainRequestDecided:
    session.refresh(request)
    return DomainRequestDecided(request.label, request.state, request.decided_by)
