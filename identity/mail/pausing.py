"""Pausing mails of one kind, or to one receiving domain, while everything else goes on.

A freeze stops what people do (sign-ups, invitations, all mails); a pause only keeps back mails that
something is wrong with. They stay in the outbox and leave when the pause ends.
"""

import uuid
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from identity.core import journal, outbox
from identity.core.database import wake_after_commit
from identity.core.journal import Actor
from identity.core.journal_places import of_domain
from identity.core.outbox import LEASE, WAITING, Job, JobKind
from identity.problems import EndsSooner, Problem

from . import pause_models
from .models import Mail, MailState
from .pause_models import MailPause
from .quota import TO_OPERATORS, Template

PAUSED: Final = "paused by an operator"  # the error of the waiting job
KINDS: Final = tuple(each for each in Template if each not in TO_OPERATORS)
"""What can be paused: mails to operators are never kept back."""
LOOK_AGAIN: Final = timedelta(hours=6)  # of a pause without an end; resuming wakes the mails


class NothingPaused(Problem):
    """No such pause is in force."""


def delay_of(session: Session, now: datetime, mail: Mail) -> timedelta | None:
    """How long a mail is kept back by pauses; None: it may leave."""
    domain = EmailAddress.stored(mail.address).ascii_domain
    found = pause_models.find_covering(session, now, kind=mail.template, domain=domain)
    if not found:
        return None
    return max((each.until or now + LOOK_AGAIN) - now for each in found)


def record_paused(session: Session, *, now: datetime, mail_id: uuid.UUID) -> None:
    """Its age counts from the moment it may leave; it is tried at once if it was resumed meanwhile."""
    mail = session.get(Mail, mail_id)
    if mail is None:
        return
    delay = delay_of(session, now, mail)
    if delay is None:
        outbox.retry(session, mail_id, now)
    else:
        mail.due_at = now + delay


def pause(
    session: Session,
    now: datetime,
    who: Actor,
    *,
    kind: str,
    domain: str,
    until: datetime | None = None,
    may_shorten: bool = True,
) -> int:
    """Keep back mails of a kind, to a domain (A-labels), or both; "" for any.

    Returns how many wait now. Raises EndsSooner, as a freeze does.
    """
    pause_models.forget(session, now)
    found = pause_models.find(session, kind=kind, domain=domain)
    if found is not None and not may_shorten:
        EndsSooner.check(found.until, until)
    facts = {"kind": kind, "domain": domain, "until": until}
    row = {**facts, "since": now, "author": who.name, "reason": who.reason}
    pause_models.put(session, row)
    count = len(_find_waiting(session, kind=kind, domain=domain))
    told = {"until": until.isoformat() if until else None, "waiting": count}
    name, places = name_of(kind, domain), of_domain(domain)
    journal.write(session, now, who, action="mail.pause", subject=name, facts=told, places=places)
    return count


def resume(session: Session, now: datetime, who: Actor, *, kind: str, domain: str) -> int:
    """End a pause; what it kept back leaves now. Returns how many mails. Raises NothingPaused."""
    if not pause_models.remove(session, kind=kind, domain=domain):
        raise NothingPaused(f"no pause of {name_of(kind, domain)} is in force")
    found = [
        mail
        for mail in _find_waiting(session, kind=kind, domain=domain)
        if delay_of(session, now, mail) is None
    ]
    woken = session.execute(
        update(Job)
        .where(
            Job.kind == JobKind.MAIL,
            Job.subject_id.in_([mail.id for mail in found]),
            Job.last_error == PAUSED,
            Job.due_at > now + LEASE,  # others are being sent
            WAITING,
        )
        .values(due_at=now)
        .returning(Job.lane, Job.subject_id)
        .execution_options(synchronize_session=False)
    ).all()
    for lane, _ in woken:
        wake_after_commit(session, lane)
    ids = {subject_id for _, subject_id in woken}
    for mail in found:
        if mail.id in ids:
            mail.due_at = now
    facts = {"released": len(ids)}
    name, places = name_of(kind, domain), of_domain(domain)
    journal.write(session, now, who, action="mail.resume", subject=name, facts=facts, places=places)
    return len(ids)


def in_force(session: Session, now: datetime) -> list[MailPause]:
    """The pauses whose time is not over."""
    return [
        each for each in pause_models.find_all(session) if each.until is None or each.until > now
    ]


def name_of(kind: str, domain: str) -> str:
    """A pause in words, as in the journal: `mails invite to example.org`."""
    return " ".join(filter(None, ("mails", kind, f"to {domain}" if domain else "")))


def _find_waiting(session: Session, *, kind: str, domain: str) -> list[Mail]:
    theirs = Mail.template.in_(TO_OPERATORS)
    query = select(Mail).where(Mail.state == MailState.WAITING, ~theirs)
    if kind:
        query = query.where(Mail.template == kind)
    if domain:
        query = query.where(Mail.address.endswith(f"@{domain}", autoescape=True))
    return list(session.scalars(query))
