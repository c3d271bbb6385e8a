"""Mails that leave one after the other, written together: the codes of a batch are one commit.

Together are what nothing hinders. Each other mail goes by itself, see `sending.send_mail`: one that is
frozen, paused or no longer wanted, or whose mailbox does not exist.

Just before a mail is handed over its attempt begins, if its row still waits for it and nothing has
been frozen or paused meanwhile. The same statement records that the mail before it left. So of a
worker that is killed, the one mail under way is uncertain, and no other.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from functools import cache
from typing import Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Executable,
    Integer,
    bindparam,
    exists,
    func,
    insert,
    select,
    true,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from identity.core import reservations
from identity.core.address_domains import domain_of
from identity.core.database import UtcDateTime
from identity.core.outbox import Job
from identity.freezes import models as freezes
from identity.mail import models as mails, pause_models, results, tries
from identity.mail.composing import Frame
from identity.mail.kinds import Fate, MailKind, MailTurn
from identity.mail.models import Mail, MailState
from identity.mail.quota import INVITING, TO_OPERATORS
from identity.mail.tries import MailTry
from identity.services import Services

from . import sending

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ready:
    """A mail that is written; the code in it is committed."""

    job: Job
    mail: Mail
    kind: MailKind
    message: EmailMessage
    envelope_from: str


@dataclass(frozen=True)
class Handed:
    """A mail that the relay took, with this reply; it is not settled yet."""

    ready: Ready
    reply: str


def _unhindered(now: datetime | ColumnElement[datetime]) -> ColumnElement[bool]:
    """SQL condition: a mail waits, and is neither frozen nor paused."""
    domain = domain_of(Mail.address)
    frozen = freezes.holds_mail(now, domain, invites=Mail.template.in_(INVITING))
    paused = pause_models.keeps_back(now, kind=Mail.template, domain=domain)
    return (Mail.state == MailState.WAITING) & (
        Mail.template.in_(TO_OPERATORS) | ~(frozen | paused)
    )


BEGINNING: Final = reservations.BEGINNING.where(
    exists().where(
        Mail.id == bindparam("of_mail"), _unhindered(bindparam("moment", type_=UtcDateTime))
    )
)


class _Apart(Exception):
    """The mail of this job goes by itself."""

    def __init__(self, job: Job) -> None:
        self.job = job


def prepare(
    services: Services, reserved: Sequence[Job], *, kind_of: Callable[[Mail], MailKind]
) -> list[Ready]:
    """Write the mails of these jobs, as far as nothing hinders them."""
    together = list(reserved)
    while together:
        try:
            return _write(services, together, kind_of)
        except _Apart as apart:  # rolled back, so that it leaves no code
            together.remove(apart.job)
        except Exception as error:  # noqa: BLE001  of one of them, or a deadlock: its own try says
            log.warning("a batch of mails goes one by one: %s", type(error).__name__)
            return []
    return []


def begin(connection: Connection, now: datetime, ready: Ready, before: Handed | None) -> bool:
    """Begin to hand a mail over; record that the one before it left. False if it must not go now."""
    number = ready.job.attempts + 1
    facts = {"of_mail": ready.mail.id, "number": number, "moment": now}
    facts |= reservations.facts_of(ready.job, now)
    ended = _facts_of_end(before, now) if before else {}
    with connection.begin():
        if connection.dialect.name == "postgresql":
            begun = connection.scalar(_beginning(records_end=bool(ended)), facts | ended)
            is_begun = begun is not None
        else:
            if ended:
                connection.execute(tries.ENDING, ended)
            is_begun = connection.execute(BEGINNING, facts).rowcount > 0
            if is_begun:
                made = {"mail_id": ready.mail.id, "attempt": number, "began_at": now}
                connection.execute(insert(MailTry).values(made))
    if is_begun:
        reservations.note_begun(ready.job, now)
    return is_begun


@cache
def _beginning(*, records_end: bool) -> Executable:
    """The same in one statement, for PostgreSQL.

    It is not waited for until it is on the disk. So a server that crashes may forget, of the last
    moment, which mails may have left.
    """
    at_once = func.set_config("synchronous_commit", "off", true()) == "off"
    begun = BEGINNING.where(at_once).returning(Job.subject_id).cte("begun")
    facts = (bindparam("number", type_=Integer), bindparam("moment", type_=UtcDateTime))
    made = insert(MailTry).from_select(
        ["mail_id", "attempt", "began_at"], select(begun.c.subject_id, *facts)
    )
    if records_end:
        made = made.add_cte(tries.ENDING.cte("ended"))
    return made.returning(MailTry.attempt)


def settle(services: Services, handed: Sequence[Handed]) -> None:
    """Record that these mails left, and what follows, in one transaction.

    Where that fails, as in a deadlock with somebody who changes several of their rows, one after the
    other. What fails of one keeps none of the others, and sends none again. Raises the last failure.
    """
    if not handed:
        return
    try:
        _settle(services, handed)
    except Exception:  # noqa: BLE001  it is raised again if it was not for being together
        _settle_one_by_one(services, handed)


def _settle_one_by_one(services: Services, handed: Sequence[Handed]) -> None:
    with services.database.transaction() as session:  # so that the last one is known to have left
        session.connection().execute(tries.ENDING, _facts_of_end(handed[-1], services.now()))
    failure: Exception | None = None
    for each in handed:
        try:
            _settle(services, [each])
        except Exception as error:  # noqa: BLE001  raised below
            failure = error
    if failure is not None:
        raise failure


def _settle(services: Services, handed: Sequence[Handed]) -> None:
    with services.database.transaction() as session:
        now = services.now()
        ours = reservations.settle(session, now, [each.ready.job for each in handed])
        rows = {row.id: row for row in mails.find_all(session, [h.ready.mail.id for h in handed])}
        of_kind: dict[int, tuple[MailKind, list[tuple[Mail, str]]]] = {}
        for each in handed:
            row, kind = rows.get(each.ready.mail.id), each.ready.kind
            # Unless it was erased, or a bounce ended it meanwhile.
            if row is not None and row.state != MailState.REFUSED and each.ready.job.id in ours:
                of_kind.setdefault(id(kind), (kind, []))[1].append((row, each.reply))
        for kind, theirs in of_kind.values():
            results.record_all_handed(session, now, theirs, kind=kind)
        last = handed[-1]  # the others were recorded with the mail that followed
        if last.ready.job.id in ours:
            session.connection().execute(tries.ENDING, _facts_of_end(last, now))


def _facts_of_end(handed: Handed, now: datetime) -> dict[str, object]:
    return tries.facts_of_end(handed.ready.job, now, outcome=MailState.HANDED, reply=handed.reply)


def _write(
    services: Services, reserved: Sequence[Job], kind_of: Callable[[Mail], MailKind]
) -> list[Ready]:
    now = services.now()
    with services.database.transaction() as session:
        ids = [job.subject_id for job in reserved]
        # A mail whose mailbox somebody has locked goes by itself: those of others wait for nobody.
        free = mails.lock_free(session, mails.addresses_of(session, ids))
        # Under the locks: who is erased gets no code any more.
        found = mails.find_all(session, ids, Mail.address.in_(free), _unhindered(now))
        known = results.find_suppressed(session, services.hashes, [each.address for each in found])
        usual = {
            each.id: each
            # One to each mailbox: what follows from the first is asked for the next one.
            for each in {each.mailbox or each.address: each for each in reversed(found)}.values()
            if each.address not in known
        }
        kept = _foresee(services, session, now, usual.values(), kind_of)
        ready = [
            _ready(services, sending.turn_of(services, session, usual[each], now), job, kind_of)
            for job in reserved
            if (each := job.subject_id) in usual
        ]
        del kept
        return ready


def _foresee(
    services: Services,
    session: Session,
    now: datetime,
    found: Iterable[Mail],
    kind_of: Callable[[Mail], MailKind],
) -> list[object]:
    """Read for all mails of a kind at once. Returns the rows, to be kept."""
    of_kind: dict[int, tuple[MailKind, list[Mail]]] = {}
    for mail in found:
        kind = kind_of(mail)
        of_kind.setdefault(id(kind), (kind, []))[1].append(mail)
    return [
        kind.foresee(session, services.hashes, now, theirs) for kind, theirs in of_kind.values()
    ]


def _ready(
    services: Services, turn: MailTurn, job: Job, kind_of: Callable[[Mail], MailKind]
) -> Ready:
    """Write this mail. Raises _Apart if it does not simply leave, for whatever reason."""
    mail, kind = turn.mail, kind_of(turn.mail)
    try:
        if not kind.is_for_operators:
            kind.check_held(turn.session, turn.now, mail)
        fate = kind.decide(turn) if kind.decide else Fate.SENT
        leaves_at = kind.close(turn.session, turn.now, mail) if fate is Fate.SENT else None
        kind = kind_of(mail)  # what it is was decided just now
        language = mail.language or kind.language(turn.session, mail)
        message = kind.compose(turn, Frame.of(mail, services.settings, language))
        sender = sending.envelope_sender(services, turn.session, mail)
    except SQLAlchemyError:
        raise
    except Exception as error:  # its own try says, and records, what is the matter
        raise _Apart(job) from error
    if fate is not Fate.SENT or leaves_at is not None:
        raise _Apart(job)
    return Ready(job, mail, kind, message, sender)
