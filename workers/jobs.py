"""Errand → function that carries it out. The network is here; no transaction is open around it."""

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from identity.bulk_invites.jobs import room_checks as room_looks
from identity.bulk_invites.jobs import rows as people_lists
from identity.core import outbox
from identity.core.http_client import Away
from identity.core.job_outcomes import GiveUp, Later, Note, nothing
from identity.core.outbox import Errand, Lane, OutboxEntry
from identity.core.sealing import CannotOpen
from identity.homeservers import breakers as homeserver_breakers
from identity.homeservers import models as homeservers
from identity.homeservers.admin_client import Refused
from identity.homeservers.models import Homeserver
from identity.invitations import mail_grouping as invitation_mails
from identity.invitations.jobs import onbind, revocation, room_agreement
from identity.mail import bounces, code_mails
from identity.mail import models as mails
from identity.mail import results as mail_results
from identity.mail.code_mails import Fate
from identity.mail.job_composing import NoLongerWanted, letter
from identity.mail.mailer import NotSent
from identity.mail.models import INVITING, Mail, MailState, Template
from identity.mail.outcomes import Outcome, next_try
from identity.registration import jobs as accounts
from identity.services import Wiring, WorkerWiring
from identity.sign_up.models import VerificationRequest
from identity.sign_up.service import CONFIRMED_LIFETIME, Step, where

MAIL_GIVE_UP = timedelta(hours=24)  # after the mail was due; a code is of no use any more
INVITING_GIVE_UP = timedelta(hours=48)
PROBE_DELAYS = (
    timedelta(seconds=15),
    timedelta(seconds=30),
    timedelta(minutes=1),
    timedelta(minutes=5),
)


def send_mail(wired: Wiring, entry: OutboxEntry) -> Note:
    """Write the mail of this entry and hand it to the relay."""
    now = wired.now()
    with wired.database.reading() as session:
        mail = mails.find(session, entry.subject_id)
        # A bounce may come before the relay's own answer does: that mail has ended.
        if mail is None or mail.state == MailState.REFUSED:
            return nothing
    mail, fate = _decide(wired, mail, now)
    if fate is Fate.SUPPRESSED:
        return _concluding(mail, lambda session, row: mail_results.not_tried(session, now, row))
    if fate is Fate.WITHHELD:
        return _noting(mail, state=MailState.WITHHELD)
    if fate is Fate.DROPPED:
        return _noting(mail, state=MailState.DROPPED)
    mail = _closed(wired, mail, now)
    try:
        message, envelope_from = letter(wired, mail, now)
    except NoLongerWanted:
        return _concluding(
            mail, lambda session, row: invitation_mails.dropped(session, wired.now(), row)
        )
    except NotSent as failure:  # what should stand in it cannot be written
        raise _after(wired, failure, mail, entry) from None
    if domain := wired.settings.mail_bounce_domain:
        with wired.database.transaction() as session:
            mark = wired.hashes.bounce_mark(session, mail.id)
        envelope_from = bounces.sender(mail.id, mark, domain)
    try:
        reply = wired.mailer.send(message, envelope_from=envelope_from, to=mail.address)
    except NotSent as failure:
        raise _after(wired, failure, mail, entry) from None
    return _concluding(
        mail, lambda session, row: mail_results.handed(session, wired.now(), row, reply)
    )


def _closed(wired: Wiring, mail: Mail, now: datetime) -> Mail:
    """The mail, which nothing joins any more. Raises Later if its mailbox has had enough for the moment."""
    if mail.template not in INVITING:
        return mail
    with wired.database.transaction() as session:
        leaves_at = invitation_mails.close(session, now, mail.id)
        mail = session.get_one(Mail, mail.id)
    if leaves_at is not None:
        raise Later("the mailbox has had its mails for now", leaves_at - now)
    return mail


def _decide(wired: Wiring, mail: Mail, now: datetime) -> tuple[Mail, Fate]:
    """The mail as it is to be written, and what becomes of it, now that its turn has come."""
    with wired.database.transaction() as session:
        row = session.get_one(Mail, mail.id)
        if decide := code_mails.DECIDE.get(Template(row.template)):
            rules, tokens, hashes = wired.rules.current(), wired.tokens, wired.hashes
            return row, decide(session, rules, now, row, tokens=tokens, hashes=hashes)
        suppressed = mail_results.is_suppressed(session, wired.hashes, now, row)
        return row, Fate.SUPPRESSED if suppressed else Fate.SENT


def probe_server(wired: WorkerWiring, entry: OutboxEntry) -> Note:
    """Ask a homeserver that was away whether accounts can be made again; if so, write to who waits."""
    now = wired.now()
    if entry.lane == Lane.ACCOUNTS:  # no worker answered then; this one does
        return _probing_in_bulk(entry, now)
    with wired.database.reading() as session:
        request = session.get(VerificationRequest, entry.subject_id)
        if request is None or where(request, now) is not Step.CONFIRMED:
            return nothing
        address = EmailAddress.stored(request.address)
        name = wired.rules.current().decide(address).homeserver
        homeserver = homeservers.find(session, name or "")
    try:
        if homeserver is not None:
            _probe(wired, homeserver)
    except (Away, Refused, CannotOpen) as error:
        delay = PROBE_DELAYS[min(entry.attempts, len(PROBE_DELAYS)) - 1]
        why = str(error) or type(error).__name__
        if now + delay >= (request.confirmed_at or now) + CONFIRMED_LIFETIME:
            raise GiveUp(why) from None
        raise Later(why, delay) from None
    return lambda session: _order_server_ready(session, wired.now(), request)


def _probe(wired: WorkerWiring, homeserver: Homeserver) -> None:
    """Raises Away, Refused, CannotOpen; Away too where somebody else has just found it away."""
    connector = wired.connector_for(homeserver)
    if connector is None:
        return
    name = homeserver.name
    with wired.database.transaction() as session:
        breaker = homeserver_breakers.lock(session, name)
        if not homeserver_breakers.admit(breaker, wired.now()):
            raise Away("it was found away a moment ago")
    try:
        connector.probe()
    except Away:
        with wired.database.transaction() as session:
            homeserver_breakers.failed(session, wired.now(), name)
        raise
    with wired.database.transaction() as session:
        homeserver_breakers.answered(session, name)


def _probing_in_bulk(entry: OutboxEntry, now: datetime) -> Note:
    return lambda session: outbox.put(
        session, Errand.SERVER_PROBE, entry.subject_id, now, lane=Lane.BULK
    )


CARRY_OUT: dict[Errand, Callable[[WorkerWiring, OutboxEntry], Note]] = {
    Errand.MAIL: send_mail,
    Errand.SERVER_PROBE: probe_server,
    Errand.ONBIND: onbind.deliver,
    Errand.REVOCATION: revocation.empty_room,
    Errand.LIST_ROW: people_lists.send_row,
    Errand.ROOM_LOOK: room_looks.look,
    Errand.ROOM_TOOK: room_agreement.see,
    Errand.ACCOUNT: accounts.make,
}


def _after(wired: Wiring, failure: NotSent, mail: Mail, entry: OutboxEntry) -> Later | GiveUp:
    now = wired.now()
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
        mail_results.refused(
            session,
            wired.hashes,
            now,
            row,
            outcome=failure.outcome,
            reply=failure.reply,
            state=end,
        )

    return GiveUp(why, _concluding(mail, conclude))


def _patience(mail: Mail) -> timedelta:
    return INVITING_GIVE_UP if mail.template in INVITING else MAIL_GIVE_UP


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


def _order_server_ready(session: Session, now: datetime, request: VerificationRequest) -> None:
    mails.order(
        session,
        now,
        template=Template.SERVER_READY,
        address=request.address,
        language=request.language,
        subject_id=request.id,
    )
