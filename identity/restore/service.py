"""What is done with the database after a backup was loaded: nothing is sent or asked twice.

Everything that waited when the backup was made may have been done since. `begin` ends what cannot
be looked up, such as mails; `resume` lets go what asks first, such as deliveries of invitations.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from identity.accounts import feed_state
from identity.accounts.session_models import PersonSession
from identity.bulk_invites import after_restore as lists
from identity.bulk_invites.sign_in_models import BulkInviteSignIn
from identity.core import continuity, journal, outbox, rows
from identity.core.continuity import BEGUN, WENT_BACK, Installation, LastSeen
from identity.core.journal import Actor
from identity.core.one_time_codes.models import OneTimeCode
from identity.core.outbox import WAITING, Job, JobKind, Lane
from identity.homeservers import credentials
from identity.invitations import after_restore as invitations
from identity.mail import after_restore as mails
from identity.mail.after_restore import PERHAPS_SENT
from identity.operators import after_restore as operators
from identity.problems import NotRestoring
from identity.registration import after_restore as registration
from identity.threepids.account_models import AccessToken


@dataclass
class Begun:
    """How many of each were ended by `begin`.

    mails: waited when the backup was made, and are not sent. invitations: their mail may have left.
    list_rows: people of lists who may have been invited. reminders: may have been sent. probes:
    people who waited for their homeserver. sessions, tokens, codes, account_attempts: people sign
    in again, ask for a new code, type their password again. looks: addresses for which a homeserver
    is asked whether they have an account by now. operators: wait to be confirmed by an admin. erased: people who were erased since the backup.
    credentials: the homeservers whose old credentials may be valid again.
    """

    mails: int = 0
    invitations: int = 0
    list_rows: int = 0
    reminders: int = 0
    probes: int = 0
    sessions: int = 0
    tokens: int = 0
    codes: int = 0
    account_attempts: int = 0
    looks: int = 0
    erased: int = 0
    operators: int = 0
    credentials: list[str] = field(default_factory=list)


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
    JobKind.LIST_WORK: "checks a list of people, or takes back what waits of one; invites nobody",
    JobKind.REVOCATION: "empties the invitation in the room, once more if it was done",
    JobKind.LOST_INVITATION: "takes an invitation that was made after the backup out of its room: "
    "guichet restore lost lists them",
    JobKind.ROOM_LOOK: "asks a homeserver about a room",
    JobKind.ACCOUNT: "makes an account that was asked for after the backup was loaded",
    JobKind.ACCOUNT_LOOK: "asks a homeserver whether an address has an account by now, and records "
    "it; changes nothing there",
    JobKind.SERVER_PROBE: "asks whether the homeserver is back",
    JobKind.HEALTH: "runs the checks of doctor; changes nothing",
    JobKind.JOURNAL_CHECK: "verifies the journal; changes nothing",
    JobKind.CHANGE_CHECK: "counts whom a change of rules affects; changes no rule",
    JobKind.CHANGE_APPLY: "counts again, and publishes the change if it affects no more people than "
    "were approved",
    JobKind.CHANGE_APPLIED: "settles requests for the domains that a change opened; their mails "
    "count as the others do",
    JobKind.CHANGE_REVIEW: "reminds approvers of a change that nobody has reviewed",
    JobKind.RULE_IMPORT: "makes a change of the lines of a file; it waits for approval",
    JobKind.DOMAIN_EVIDENCE: "asks the DNS about a domain; changes no rule",
    JobKind.DOMAIN_PROOF: "looks for a record in the DNS; changes no rule",
    JobKind.MAIL: "is sent: it was ordered after the backup was loaded, or --keep-mails was given",
}


def begin(
    session: Session,
    now: datetime,
    who: Actor,
    *,
    last_seen: LastSeen,
    keeps_mails: bool = False,
    erase_again: Callable[[Session], int] = lambda _session: 0,
) -> Begun:
    """Hold all jobs, begin a new epoch, and end what may have been done since the backup.

    `last_seen`: of this machine. `keeps_mails`: mails that waited are sent when jobs are let go,
    some perhaps a second time. `erase_again`: erases who was erased since the backup; returns how
    many. Run twice, it ends also what was ordered in between. Raises NotRestoring while a backup is
    being loaded.
    """
    row = _row(session)
    loaded_at = _when_loaded(session, now, row, last_seen)
    access = operators.end_access(session, now)
    # Erasing refuses operators who may come in: those of the backup may not any more.
    ended = Begun(erased=erase_again(session), operators=access.operators)
    ended.account_attempts = registration.end_attempts(session)
    settled = invitations.settle(session, now, loaded_at, keeps_mails=keeps_mails)
    ended.invitations = settled.invitations
    ended.list_rows = lists.fail_rows(session, now, loaded_at, PERHAPS_SENT)
    of_backup = None if keeps_mails else loaded_at
    ended.mails = mails.end_mails(session, now, of_backup, also=settled.mails)
    invitations.order_again(session, now, settled.unmailed)
    ended.reminders = invitations.settle_reminders(session, now, loaded_at)
    invitations.make_deliveries_uncertain(session, now)
    ended.probes = _end_jobs(session, now, loaded_at, JobKind.SERVER_PROBE)
    _end_jobs(session, now, loaded_at, JobKind.ROOM_LOOK)
    _end_jobs(session, now, now, JobKind.ACCOUNT_LOOK)
    _end_sign_ins(session, now, ended)
    ended.sessions += access.sessions
    ended.tokens += access.tokens
    ended.looks = registration.order_looks(session, now)
    ended.credentials = list(credentials.find_older(session, now, loaded_at))
    continuity.begin_epoch(session, row, now)
    row.restored_at, row.held_since, row.held_why = loaded_at, loaded_at, BEGUN
    feed_state.begin_epoch(session, after=feed_state.lock_state(session).epoch)
    facts = asdict(ended) | {"keeps_mails": keeps_mails}
    journal.write(session, now, who, action="restore.begin", subject="database", facts=facts)
    return ended


def plan(session: Session) -> list[Planned]:
    """What waits, by kind: what `resume` lets go at once or later."""
    found = session.execute(select(Job.kind, func.count()).where(WAITING).group_by(Job.kind))
    return [
        Planned(kind, count, DOES[JobKind(kind)] if kind in set(JobKind) else "of another version")
        for kind, count in sorted((kind, count) for kind, count in found)
    ]


def resume(session: Session, now: datetime, who: Actor) -> Installation:
    """Let jobs go. Raises NotRestoring unless `begin` was run and nothing was resumed since."""
    row = _row(session)
    if row.held_since is None:
        raise NotRestoring("Nothing is held: there is nothing to resume.")
    if row.held_why != BEGUN:
        raise NotRestoring("The backup that was loaded needs guichet restore begin first.")
    return _let_go(session, now, who, row, "restore.resume")


def dismiss(
    session: Session,
    now: datetime,
    who: Actor,
    *,
    erase_again: Callable[[Session], int] = lambda _session: 0,
) -> Installation:
    """Let jobs go although the database went back: nothing was done that it does not know.

    But people whom a command has erased meanwhile are erased again, see `begin`. Raises
    NotRestoring if it did not go back, or `begin` was run.
    """
    row = _row(session)
    if row.held_why == BEGUN:
        raise NotRestoring("guichet restore begin was run: run guichet restore resume.")
    if row.held_since is None and row.ahead_at is None:
        raise NotRestoring("Nothing is held, and no module knows more than the database.")
    erase_again(session)
    continuity.begin_epoch(session, row, now)
    return _let_go(session, now, who, row, "restore.dismiss")


def _let_go(
    session: Session, now: datetime, who: Actor, row: Installation, action: str
) -> Installation:
    since = row.held_since
    continuity.let_go(row)
    for lane in Lane:
        outbox.wake(session, lane)
    facts = {"held_since": since.isoformat(timespec="seconds")} if since else {}
    journal.write(session, now, who, action=action, subject="database", facts=facts)
    return row


def _when_loaded(
    session: Session, now: datetime, row: Installation, last_seen: LastSeen
) -> datetime:
    """When it was noticed that the database went back: what was ordered later was not in the backup.

    A backup that was made while jobs were held brings an older notice. So one counts only on a
    machine that remembers the database, and would know better.
    """
    is_known = last_seen.latest(row.name) is not None  # asked first: the check remembers it
    continuity.check(session, now, last_seen)
    if is_known and row.held_why == WENT_BACK and row.held_since is not None:
        return row.held_since
    return now


def _row(session: Session) -> Installation:
    row = continuity.find(session)
    if row is None:
        raise NotRestoring(f"{continuity.MISSING} If none is, run guichet db upgrade.")
    return row


def _end_sign_ins(session: Session, now: datetime, ended: Begun) -> None:
    """End sessions, tokens and codes: some had ended since, and would be good once more."""
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


def _end_jobs(session: Session, now: datetime, before: datetime, kind: JobKind) -> int:
    # One that was let go after a freeze counts anew from then; while all is held, none is begun.
    is_older = (Job.created_at <= before) | Job.released_at.is_not(None)
    return outbox.end(session, now, PERHAPS_SENT, Job.kind == kind, is_older)
