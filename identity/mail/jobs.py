"""A mail is written and handed to the relay: everything secret in it (code, link) is made now, when it leaves."""

from collections.abc import Callable
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import Final

from sqlalchemy.orm import Session

from domain_rules.mailboxes import address_of
from identity.accounts import models as accounts
from identity.core.job_outcomes import GiveUp, Later, Note, nothing
from identity.core.outbox import Job
from identity.services import Services

from . import bounces, models, results
from .composing import Frame
from .kinds import Fate, MailKind, MailTurn, NoLongerWanted, leaves_now
from .models import INVITING, Mail, MailState
from .outcomes import NotSent, Outcome, next_try

GIVE_UP_AFTER: Final = timedelta(hours=24)  # after the mail was due; a code is of no use any more
INVITING_GIVE_UP_AFTER: Final = timedelta(hours=48)


def send(services: Services, entry: Job, *, kind_of: Callable[[Mail], MailKind]) -> Note:
    """Write the mail of this entry, as the story it belongs to says, and hand it to the relay."""
    now = services.now()
    with services.database.reading() as session:
        mail = models.find(session, entry.subject_id)
        # A bounce may come before the relay's own answer does: that mail has ended.
        if mail is None or mail.state == MailState.REFUSED:
            return nothing
    mail, fate = _decide(services, mail, now, kind_of)
    kind = kind_of(mail)
    if fate is Fate.SUPPRESSED:
        return _concluding(
            mail, lambda session, row: results.not_tried(session, now, row, kind=kind)
        )
    if fate is Fate.WITHHELD:
        return _noting(mail, state=MailState.WITHHELD)
    if fate is Fate.DROPPED:
        return _noting(mail, state=MailState.DROPPED)
    mail = _close(services, mail, now, kind)
    try:
        message = write(services, mail, now, kind)
    except NoLongerWanted:
        return _concluding(
            mail, lambda session, row: results.dropped(session, services.now(), row, kind=kind)
        )
    except NotSent as failure:  # what should stand in it cannot be written
        raise _after(services, failure, mail, entry, kind=kind) from None
    try:
        reply = services.mailer.send(
            message, envelope_from=_envelope_sender(services, mail), to=mail.address
        )
    except NotSent as failure:
        raise _after(services, failure, mail, entry, kind=kind) from None
    return _concluding(
        mail, lambda session, row: results.handed(session, services.now(), row, reply, kind=kind)
    )


def write(services: Services, mail: Mail, now: datetime, kind: MailKind) -> EmailMessage:
    """The mail as it goes out. Raises NoLongerWanted, NotSent."""
    with services.database.reading() as session:
        language = mail.language or kind.language(session, mail)
    # A code comes to life with the mail that carries it: committed before anything leaves, and not at
    # all if the mail is not wanted any more.
    with services.database.transaction() as session:
        frame = Frame.of(mail, services.settings, language)
        return kind.compose(_turn(services, session, mail, now), frame)


def _decide(
    services: Services, mail: Mail, now: datetime, kind_of: Callable[[Mail], MailKind]
) -> tuple[Mail, Fate]:
    """The mail as it is to be written, and what becomes of it, now that its turn has come."""
    with services.database.transaction() as session:
        row = session.get_one(Mail, mail.id)
        if decide := kind_of(row).decide:
            return row, decide(_turn(services, session, row, now))
        has_account = accounts.of_address(session, row.address) is not None
        is_suppressed = results.is_suppressed(
            session, services.hashes, now, row, has_account=has_account
        )
        return row, Fate.SUPPRESSED if is_suppressed else Fate.SENT


def _close(services: Services, mail: Mail, now: datetime, kind: MailKind) -> Mail:
    """The mail, which nothing joins any more. Raises Later if its mailbox has had enough for the moment."""
    if kind.close is leaves_now:
        return mail
    with services.database.transaction() as session:
        mail = session.get_one(Mail, mail.id)
        leaves_at = kind.close(session, now, mail)
    if leaves_at is not None:
        raise Later("the mailbox has had its mails for now", leaves_at - now)
    return mail


def _turn(services: Services, session: Session, mail: Mail, now: datetime) -> MailTurn:
    return MailTurn(
        session=session,
        mail=mail,
        now=now,
        settings=services.settings,
        rules=services.rules.current(),
        tokens=services.tokens,
        vault=services.vault,
        hashes=services.hashes,
    )


def _envelope_sender(services: Services, mail: Mail) -> str:
    """Where bounces of this mail go."""
    if domain := services.settings.mail_bounce_domain:
        with services.database.transaction() as session:
            mark = services.hashes.bounce_mark(session, mail.id)
        return bounces.sender(mail.id, mark, domain)
    return address_of(services.settings.mail_from)


def _after(
    services: Services, failure: NotSent, mail: Mail, entry: Job, *, kind: MailKind
) -> Later | GiveUp:
    now = services.now()
    delay = next_try(failure.outcome, entry.attempts, before=mail.outcome)
    why = f"{failure.outcome}: {failure.reply}"
    if delay is None:
        end = MailState.REFUSED if failure.outcome is not Outcome.UNKNOWN else MailState.GAVE_UP
    elif now + delay > mail.goes_at + _patience(mail):
        end = MailState.GAVE_UP
    else:
        note = _noting(mail, outcome=failure.outcome, last_reply=failure.reply)
        return Later(why, delay, note, stops_run=failure.outcome is Outcome.RELAY_DOWN)

    def conclude(session: Session, row: Mail) -> None:
        results.refused(
            session,
            services.hashes,
            now,
            row,
            outcome=failure.outcome,
            reply=failure.reply,
            kind=kind,
            state=end,
        )

    return GiveUp(why, _concluding(mail, conclude))


def _patience(mail: Mail) -> timedelta:
    return INVITING_GIVE_UP_AFTER if mail.template in INVITING else GIVE_UP_AFTER


def _concluding(mail: Mail, conclude: Callable[[Session, Mail], object]) -> Note:
    """Write the end of a mail, and what follows from it; unless a bounce has ended it meanwhile."""

    def note(session: Session) -> None:
        row = session.get(Mail, mail.id)
        if row is not None and row.state != MailState.REFUSED:
            conclude(session, row)

    return note


def _noting(mail: Mail, **facts: object) -> Note:
    def note(session: Session) -> None:
        row = session.get(Mail, mail.id)
        if row is not None:
            for name, value in facts.items():
                setattr(row, name, value)

    return note
