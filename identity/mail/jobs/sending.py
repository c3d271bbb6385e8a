"""Writes a mail and hands it to the relay: the job behind every mail.

Codes and links are created here, when the mail is sent, and are stored nowhere in clear.
"""

from collections.abc import Callable
from datetime import datetime
from email.message import EmailMessage
from functools import partial

from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from domain_rules.mailboxes import address_of
from identity.accounts import models as accounts
from identity.core import leases, metrics, retries, tracing
from identity.core.job_outcomes import GiveUp, Later, RecordOutcome, record_nothing
from identity.core.outbox import Job, Lane
from identity.freezes import service as freezes
from identity.mail import bounces, code_mails, models, pausing, results, tries
from identity.mail.composing import Frame
from identity.mail.kinds import Fate, MailKind, MailTurn, NoLongerWanted, leaves_now
from identity.mail.models import Mail, MailState
from identity.mail.outcomes import NotSent, Outcome, next_try
from identity.mail.providers import provider_class
from identity.mail.quota import INVITING, Template
from identity.services import Services

ERASED = "its row is gone: whom it was to was erased meanwhile"


def send_mail(
    services: Services, job: Job, *, kind_of: Callable[[Mail], MailKind]
) -> RecordOutcome:
    """Write the mail of this job, as its story defines it, and hand it to the relay.

    Raises Later or GiveUp when it was not handed over, and Stopped while it is frozen.
    """
    now = services.now()
    with services.database.reading() as session:
        mail = models.find(session, job.subject_id)
        # A bounce may arrive before the relay's own answer, and operators cancel mails: ended.
        if mail is None or mail.state in {MailState.REFUSED, MailState.DROPPED}:
            return record_nothing
        if job.uncertain > 1 and (reply := tries.reply_to_handed(session, mail.id)) is not None:
            return _known_to_have_left(services, job, mail, kind_of(mail), reply)
    if not kind_of(mail).is_for_operators:
        _check_paused(services, mail, now)
    mail, fate = _decide(services, mail, job, now, kind_of)
    kind = kind_of(mail)
    if fate is not Fate.SENT:
        _count(services, mail, fate)
    if fate is Fate.SUPPRESSED:
        return _concluding(
            mail, lambda session, row: results.record_not_tried(session, now, row, kind=kind)
        )
    if fate is not Fate.SENT:
        return _recording(mail, state=MailState(fate))  # withheld or dropped
    mail = _close(services, mail, now, kind)
    kind = kind_of(mail)  # several invitations make it another one
    try:
        message = write_mail(services, mail, now, kind, attempt=job.attempts)
    except NoLongerWanted:
        _count(services, mail, Fate.DROPPED)
        return _concluding(
            mail,
            lambda session, row: results.record_dropped(session, services.now(), row, kind=kind),
        )
    except NotSent as failure:  # its content cannot be encoded
        raise _after_failure(services, failure, mail, job, kind=kind) from None
    with services.database.transaction() as session:
        sender = envelope_sender(services, session, mail)
    reply = hand_over(services, mail, job, kind, message, envelope_from=sender)
    handed = concluding_handed(services, mail, kind, reply)
    return _ending_try(services, job, MailState.HANDED, reply, handed)


def hand_over(
    services: Services,
    mail: Mail,
    job: Job,
    kind: MailKind,
    message: EmailMessage,
    *,
    envelope_from: str,
) -> str:
    """Hand a written mail to the relay; returns its reply. Raises Later or GiveUp."""
    try:
        reply = services.mailer.send(message, envelope_from=envelope_from, to=mail.address)
    except NotSent as failure:
        raise _after_failure(services, failure, mail, job, kind=kind) from None
    _count(services, mail, MailState.HANDED)
    return reply


def concluding_handed(services: Services, mail: Mail, kind: MailKind, reply: str) -> RecordOutcome:
    """Record that the relay took a mail, and what follows."""
    return _concluding(
        mail,
        lambda session, row: results.record_handed(session, services.now(), row, reply, kind=kind),
    )


def _known_to_have_left(
    services: Services, job: Job, mail: Mail, kind: MailKind, reply: str
) -> RecordOutcome:
    """Its worker died after it had noted that the relay took it, and before it recorded the rest."""
    handed = concluding_handed(services, mail, kind, reply)

    def record(session: Session) -> None:
        handed(session)
        leases.make_certain(session, job)

    return record


def _count(services: Services, mail: Mail, outcome: str) -> None:
    """Count how a try ended, and note in the log which mail it was; once for each try."""
    provider = provider_class(mail.address, services.rules.current())
    template = Template(mail.template)
    metrics.MAILS.inc(template=template.value, outcome=str(outcome), provider=provider)
    tracing.note(
        mail=str(mail.id),
        template=template.value,
        provider=provider,
        address=services.mark_of(mail.address),
    )
    if outcome == MailState.HANDED and models.LANES[template] is Lane.URGENT:
        waited = (services.now() - mail.goes_at).total_seconds()
        metrics.CODE_SECONDS.observe(max(waited, 0.0), template=template.value)


def write_mail(
    services: Services, mail: Mail, now: datetime, kind: MailKind, *, attempt: int
) -> EmailMessage:
    """The mail as it is sent by this attempt of its job, which is a try from now on.

    Raises NoLongerWanted, NotSent, and GiveUp if it was erased.
    """
    with services.database.reading() as session:
        language = mail.language or kind.language(session, mail)
    # A code becomes valid with the mail that carries it: it is committed before the mail is sent,
    # and not at all if the mail is no longer wanted.
    with services.database.transaction() as session:
        # Who is erased meanwhile gets no code any more, and no new row names them.
        models.lock_address(session, mail.address)
        _row(session, mail)
        frame = Frame.of(mail, services.settings, language)
        message = kind.compose(turn_of(services, session, mail, now), frame)
        tries.begin(session, mail.id, attempt, services.now())
    return message


def _row(session: Session, mail: Mail) -> Mail:
    """Its row. Raises GiveUp if there is none any more: whom it was to was erased."""
    row = session.get(Mail, mail.id, populate_existing=True)
    if row is None:
        raise GiveUp(ERASED)
    return row


def _check_held(session: Session, mail: Mail, now: datetime, kind: MailKind) -> None:
    """Raises Stopped if the mail is frozen, or waits for what operators have stopped."""
    if kind.is_for_operators:
        return
    address, invites = EmailAddress.stored(mail.address), mail.template in INVITING
    freezes.check_mail(session, now, address, invites=invites)
    kind.check_held(session, now, mail)


def _check_paused(services: Services, mail: Mail, now: datetime) -> None:
    """Raises Later if operators have paused mails of its kind, or to its domain."""
    with services.database.reading() as session:
        delay = pausing.delay_of(session, now, mail)
    if delay is not None:
        raise Later(pausing.PAUSED, delay, partial(pausing.record_paused, now=now, mail_id=mail.id))


def _decide(
    services: Services, mail: Mail, job: Job, now: datetime, kind_of: Callable[[Mail], MailKind]
) -> tuple[Mail, Fate]:
    """The mail as it is to be written, and what happens to it now that it is due.

    Raises Stopped.
    """
    with services.database.transaction() as session:
        row = _row(session, mail)
        _check_held(session, row, now, kind_of(row))
        if job.released_at is not None and job.released_at > row.goes_at:
            if code_mails.is_superseded(session, row, job.released_at):
                return row, Fate.DROPPED
            was, row.due_at = row.goes_at, job.released_at  # limits count when it really leaves
            session.flush()
            kind_of(row).on_late(session, row, was)
        if decide := kind_of(row).decide:
            return row, decide(turn_of(services, session, row, now))
        has_account = accounts.find_by_address(session, row.address) is not None
        is_suppressed = results.is_suppressed(
            session, services.hashes, now, row, has_account=has_account
        )
        return row, Fate.SUPPRESSED if is_suppressed else Fate.SENT


def _close(services: Services, mail: Mail, now: datetime, kind: MailKind) -> Mail:
    """The mail, to which nothing is added any more.

    Raises Later if its mailbox had its mails for now.
    """
    if kind.close is leaves_now:
        return mail
    with services.database.transaction() as session:
        mail = _row(session, mail)
        leaves_at = kind.close(session, now, mail)
    if leaves_at is not None:
        raise Later("the mailbox has had its mails for now", leaves_at - now)
    return mail


def turn_of(services: Services, session: Session, mail: Mail, now: datetime) -> MailTurn:
    """The turn of a mail in this transaction."""
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


def envelope_sender(services: Services, session: Session, mail: Mail) -> str:
    """The address to which bounces of this mail go. Needs a writing transaction."""
    if domain := services.settings.mail_bounce_domain:
        mark = services.hashes.bounce_mark(session, mail.id)
        return bounces.bounce_address(mail.id, mark, domain)
    return address_of(services.settings.mail_from)


def _after_failure(
    services: Services, failure: NotSent, mail: Mail, job: Job, *, kind: MailKind
) -> Later | GiveUp:
    _count(services, mail, failure.outcome)
    now = services.now()
    patience = retries.INVITING_MAIL_AGE if mail.template in INVITING else retries.MAIL_AGE
    delay = next_try(failure.outcome, job.attempts, before=mail.outcome)
    why = f"{failure.outcome}: {failure.reply}"
    if delay is None:
        end = MailState.REFUSED if failure.outcome is not Outcome.UNKNOWN else MailState.GAVE_UP
    elif now + delay > mail.goes_at + patience:
        end = MailState.GAVE_UP
    else:
        record = _ending_try(
            services,
            job,
            failure.outcome,
            failure.reply,
            _recording(mail, outcome=failure.outcome, last_reply=failure.reply),
        )
        is_down, is_lost = failure.outcome is Outcome.RELAY_DOWN, failure.outcome is Outcome.UNKNOWN
        return Later(why, delay, record, stops_run=is_down, is_uncertain=is_lost)

    def conclude(session: Session, row: Mail) -> None:
        results.record_refused(
            session,
            services.hashes,
            now,
            row,
            outcome=failure.outcome,
            reply=failure.reply,
            kind=kind,
            state=end,
        )

    ended = _concluding(mail, conclude)
    return GiveUp(why, _ending_try(services, job, failure.outcome, failure.reply, ended))


def _ending_try(
    services: Services, job: Job, outcome: str, reply: str, record: RecordOutcome
) -> RecordOutcome:
    """Record what follows for the mail, and how this attempt ended at the relay.

    In this order, in which erasing takes them: the address, the row of the mail, then its tries.
    """

    def both(session: Session) -> None:
        record(session)
        now = services.now()
        tries.end(session, job.subject_id, job.attempts, now, outcome=outcome, reply=reply)

    return both


def _concluding(mail: Mail, conclude: Callable[[Session, Mail], object]) -> RecordOutcome:
    """Record the end of a mail and its consequences, unless a bounce ended it meanwhile."""

    def record(session: Session) -> None:
        row = session.get(Mail, mail.id)
        if row is not None and row.state != MailState.REFUSED:
            conclude(session, row)

    return record


def _recording(mail: Mail, **facts: object) -> RecordOutcome:
    def record(session: Session) -> None:
        row = session.get(Mail, mail.id)
        if row is not None:
            for name, value in facts.items():
                setattr(row, name, value)

    return record
