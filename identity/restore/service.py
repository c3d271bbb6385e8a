"""What is done with the database after a backup was loaded: nothing is sent or asked twice.

Everything that waited when the backup was made may have been done since. `begin` ends what cannot
be looked up, such as mails; `resume` lets go what asks first, such as deliveries of invitations.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from identity.accounts.session_models import PersonSession
from identity.bulk_invites import sending
from identity.bulk_invites.models import BulkInviteRow, Step
from identity.bulk_invites.sign_in_models import BulkInviteSignIn
from identity.core import continuity, journal, outbox, rows
from identity.core.continuity import Installation
from identity.core.journal import Actor
from identity.core.keyed_hashes import KeyedHashes
from identity.core.one_time_codes.models import OneTimeCode
from identity.core.outbox import WAITING, Job, JobKind, Lane
from identity.invitations import schedule
from identity.invitations.history import Happened
from identity.invitations.models import Delivery, ThirdPartyInvitation
from identity.invitations.states import is_live, record_event
from identity.mail import results
from identity.mail.kinds import MailKind
from identity.mail.models import Mail, MailState
from identity.mail.outcomes import Outcome
from identity.problems import NotRestoring
from identity.registration.models import AccountAttempt, AttemptState, TypedPassword
from identity.threepids.account_models import AccessToken

BEGUN = "guichet restore begin was run: see guichet restore plan, then resume"
PERHAPS_SENT = "a backup was loaded: it may have been sent before"
PERHAPS_MAILED = "a backup was loaded: its mail may have left before"
ROW_RESTORED = "restored"  # a word of bulk_invites/pages/wording.py
BY = "restore"
UNENDED = (AttemptState.JUDGING, AttemptState.WAITING, AttemptState.CALLING)


@dataclass
class Begun:
    """How many of each were ended by `begin`.

    uncertain_mails: mails that waited and may have been sent; nobody gets them again by itself.
    uncertain_invitations: invitations whose first mail may have left.
    uncertain_list_rows: people of lists that may have been invited.
    reminders: invitations that may have been reminded.
    sessions, tokens, codes: people sign in again, and ask for a new code.
    """

    uncertain_mails: int = 0
    uncertain_invitations: int = 0
    uncertain_list_rows: int = 0
    reminders: int = 0
    sessions: int = 0
    tokens: int = 0
    codes: int = 0
    account_attempts: int = 0


@dataclass(frozen=True)
class Planned:
    """What `resume` lets go: so many jobs of a kind, and what they do."""

    kind: str
    count: int
    does: str


DOES = {
    JobKind.ONBIND: "asks the homeserver who is in the room; tells it of an invitation only if "
    "nobody is, and never where nobody can be asked",
    JobKind.ROOM_TOOK: "asks whether the room has the invitation; its mail does not go again",
    JobKind.LIST_ROW: "puts the same invitation into the room again, which changes nothing there; "
    "its mail does not go again",
    JobKind.REVOCATION: "empties the invitation in the room, once more if it was done",
    JobKind.ROOM_LOOK: "asks a homeserver about a room",
    JobKind.ACCOUNT: "ends: the password is gone, the person types it again",
    JobKind.SERVER_PROBE: "asks whether the homeserver is back",
    JobKind.MAIL: "is sent: it was ordered after the backup was loaded, or is due only later",
}


def begin(
    session: Session,
    now: datetime,
    who: Actor,
    *,
    kind_of: Callable[[Mail], MailKind],
    hashes: KeyedHashes,
    keeps_mails: bool = False,
) -> Begun:
    """Hold all jobs, begin a new epoch, and end what may have been done since the backup.

    `keeps_mails`: mails that waited are sent when jobs are let go, some perhaps a second time.
    """
    row = continuity.begin_epoch(session, now)
    continuity.hold(row, now, BEGUN)
    ended = Begun()
    ended.account_attempts = _end_attempts(session)
    ended.uncertain_invitations = _settle_unconfirmed(session, now)
    ended.uncertain_list_rows = _fail_rows(session, now)
    ended.reminders = _settle_reminders(session, now)
    if not keeps_mails:
        ended.uncertain_mails = _end_mails(session, now, kind_of, hashes)
    _make_deliveries_uncertain(session, now)
    _end_jobs(session, now, JobKind.SERVER_PROBE)
    ended.sessions = rows.update(
        session, PersonSession, PersonSession.ended_at.is_(None), ended_at=now
    ) + rows.delete(session, BulkInviteSignIn)
    ended.tokens = rows.delete(session, AccessToken)
    ended.codes = rows.update(
        session,
        OneTimeCode,
        OneTimeCode.used_at.is_(None),
        OneTimeCode.alive_until > now,
        alive_until=now,
    )
    facts = asdict(ended) | {"keeps_mails": keeps_mails}
    journal.write(session, now, who, action="restore.begin", subject="database", facts=facts)
    return ended


def plan(session: Session) -> list[Planned]:
    """What waits, by kind: what `resume` lets go at once or later."""
    found = session.execute(select(Job.kind, func.count()).where(WAITING).group_by(Job.kind))
    return [
        Planned(kind, count, DOES[JobKind(kind)])
        for kind, count in sorted((kind, count) for kind, count in found)
    ]


def resume(session: Session, now: datetime, who: Actor) -> Installation:
    """Let jobs go. Raises NotRestoring unless `begin` was run and nothing was resumed since."""
    row = continuity.find(session)
    if row is None or row.held_since is None:
        raise NotRestoring("nothing is held: there is nothing to resume")
    if row.held_why != BEGUN:
        raise NotRestoring(f"{row.held_why} Run guichet restore begin first.")
    since = row.held_since
    continuity.let_go(row)
    for lane in Lane:
        outbox.wake(session, lane)
    facts = {"held_since": since.isoformat(timespec="seconds")}
    journal.write(session, now, who, action="restore.resume", subject="database", facts=facts)
    return row


def _end_attempts(session: Session) -> int:
    session.execute(delete(TypedPassword))
    return rows.update(
        session, AccountAttempt, AccountAttempt.state.in_(UNENDED), state=AttemptState.AGAIN
    )


def _settle_unconfirmed(session: Session, now: datetime) -> int:
    """Invitations that waited for their room: what it says now must not send their mail again."""
    waiting = select(Job.subject_id).where(Job.kind == JobKind.ROOM_TOOK, WAITING)
    found = session.scalars(
        select(ThirdPartyInvitation).where(
            ThirdPartyInvitation.awaits.is_not(None) | ThirdPartyInvitation.id.in_(waiting)
        )
    ).all()
    count = 0
    for each in found:
        each.awaits = None
        if is_live(each, now):
            count += record_event(
                session, now, each, None, Happened.MAILED, by=BY, detail=PERHAPS_MAILED
            )
    return count


def _fail_rows(session: Session, now: datetime) -> int:
    """People of lists that were not invited yet when the backup was made.

    Those whose invitation was stored already are placed again, with the same token.
    """
    found = session.scalars(
        select(BulkInviteRow).where(
            BulkInviteRow.step == Step.WAITING, BulkInviteRow.invitation_id.is_(None)
        )
    ).all()
    for each in found:
        sending.record_failed(session, now, each, ROW_RESTORED)
    return len(found)


def _settle_reminders(session: Session, now: datetime) -> int:
    """Invitations whose reminder was due before now: it may have been sent."""
    return rows.update(session, ThirdPartyInvitation, schedule.is_unanswered(now), reminded_at=now)


def _end_mails(
    session: Session,
    now: datetime,
    kind_of: Callable[[Mail], MailKind],
    hashes: KeyedHashes,
) -> int:
    """End the mails that were due by now: no relay can be asked what it has taken."""
    found = list(_waiting_mails(session, now))
    for mail in found:
        results.record_refused(
            session,
            hashes,
            now,
            mail,
            outcome=Outcome.UNKNOWN,
            reply=PERHAPS_SENT,
            kind=kind_of(mail),
            state=MailState.GAVE_UP,
        )
        job = outbox.find_by_subject(session, mail.id, JobKind.MAIL)
        if job is not None:
            job.gave_up_at, job.last_error = now, PERHAPS_SENT
    session.flush()
    return len(found)


def _waiting_mails(session: Session, now: datetime) -> Iterator[Mail]:
    yield from session.scalars(
        select(Mail)
        .join(Job, Job.subject_id == Mail.id)
        .where(Mail.state == MailState.WAITING, Job.kind == JobKind.MAIL, WAITING)
        # A lease or a pause after a failure has moved the job's own time.
        .where(func.coalesce(Mail.due_at, Mail.created_at) <= now)
    )


def _make_deliveries_uncertain(session: Session, now: datetime) -> None:
    """Treat each delivery as one whose answer was lost: the next try begins with a question."""
    row = ThirdPartyInvitation
    rows.update(
        session,
        ThirdPartyInvitation,
        row.delivery == Delivery.DUE,
        delivery=Delivery.SENDING,
        attempted_at=now,
    )


def _end_jobs(session: Session, now: datetime, kind: JobKind) -> None:
    rows.update(session, Job, Job.kind == kind, WAITING, gave_up_at=now, last_error=PERHAPS_SENT)
