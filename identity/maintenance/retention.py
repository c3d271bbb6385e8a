"""What is kept, how long: the timetable deletes the rest every night."""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.orm import Session

from identity.accounts import models as accounts
from identity.accounts import room_members, successions
from identity.accounts import session_models as people_sessions
from identity.bulk_invites import models as people_lists
from identity.bulk_invites import room_check_models as room_checks
from identity.bulk_invites import sign_in_models as sign_ins
from identity.core.keyed_hashes import KeyedHashes
from identity.core.one_time_codes import models as one_time_codes
from identity.core.outbox import Job
from identity.invitations.models import State, ThirdPartyInvitation
from identity.mail.models import Mail
from identity.registration import models as account_attempts
from identity.sign_up.models import State as Request
from identity.sign_up.models import VerificationRequest
from identity.synapse_api import report_models as module_reports
from identity.threepids import account_models as identity_accounts
from identity.threepids.validation_sessions import ValidationSession

UNCONFIRMED = timedelta(days=7)
CONFIRMED = timedelta(days=30)
VALIDATIONS = timedelta(days=7)
INVITATIONS_ENDED = timedelta(days=183)  # as their mail says
# Until then a slip can be taken back, and an expired invitation extended; mails are kept as long.
ADDRESSES_OF_ENDED = timedelta(days=30)
MAIL_STATUS = timedelta(days=30)
MODULE_REPORTS = timedelta(days=60)  # a homeserver that was away so long sends its own again
MODULE_REFUSALS = timedelta(days=90)
SUCCESSIONS = timedelta(days=365)
ROOM_MEMBERS = timedelta(days=365)
LISTS = timedelta(days=90)
LIST_SIGN_INS = timedelta(days=7)
ROOM_LOOKS = timedelta(days=1)
SESSIONS = timedelta(days=7)  # after their beginning: every one is over by then
ATTEMPTS = timedelta(days=7)
WRONG_CODES = timedelta(days=1)  # what limits count
CODES_ENDED = timedelta(days=9)  # with one that ended, a slip is taken back for a week
ERRANDS_DONE = timedelta(days=7)
ERRANDS_GIVEN_UP = timedelta(days=30)

Table = (
    type[VerificationRequest]
    | type[ValidationSession]
    | type[ThirdPartyInvitation]
    | type[Mail]
    | type[Job]
)


def clean_up(session: Session, now: datetime) -> dict[str, int]:
    """Delete what is older than its term. How many rows of each kind that were."""
    old: dict[str, tuple[Table, ColumnElement[bool]]] = {
        "unconfirmed requests": (VerificationRequest, _unconfirmed(now)),
        "confirmed requests": (
            VerificationRequest,
            VerificationRequest.state.in_((Request.CONFIRMED, Request.USED))
            & (VerificationRequest.created_at < now - CONFIRMED),
        ),
        "validation sessions": (
            ValidationSession,
            ValidationSession.created_at < now - VALIDATIONS,
        ),
        "invitations": (
            ThirdPartyInvitation,
            _ended_before(now - INVITATIONS_ENDED),
        ),
        "mails": (Mail, func.coalesce(Mail.due_at, Mail.created_at) < now - MAIL_STATUS),
        "errands done": (Job, Job.done_at < now - ERRANDS_DONE),
        "errands given up": (Job, Job.gave_up_at < now - ERRANDS_GIVEN_UP),
    }
    deleted = {what: _delete(session, table, which) for what, (table, which) in old.items()}
    return (
        deleted
        | _forget_reports(session, now)
        | _forget_sessions(session, now)
        | _forget_accounts(session, now)
        | _forget_codes(session, now)
        | _forget_lists(session, now)
    )


def _unconfirmed(now: datetime) -> ColumnElement[bool]:
    old = now - UNCONFIRMED
    return (
        VerificationRequest.state.in_((Request.OPEN, Request.CANCELLED))
        & (VerificationRequest.created_at < old)
        # Its mail may wait for its turn.
        & (VerificationRequest.expires_at < now)
        # A "not me" can be undone as long as the request stands.
        & (VerificationRequest.cancelled_at.is_(None) | (VerificationRequest.cancelled_at < old))
    )


def _forget_reports(session: Session, now: datetime) -> dict[str, int]:
    reports = module_reports.forget(
        session, reports_before=now - MODULE_REPORTS, refusals_before=now - MODULE_REFUSALS
    )
    return {
        "module reports": reports,
        "successions": successions.forget(session, now - SUCCESSIONS),
        "room members": room_members.forget(session, now - ROOM_MEMBERS),
    }


def _forget_sessions(session: Session, now: datetime) -> dict[str, int]:
    return {
        "identity tokens": identity_accounts.forget(session, now),
        "sessions of people": people_sessions.forget(session, now - SESSIONS),
    }


def _forget_accounts(session: Session, now: datetime) -> dict[str, int]:
    return {
        "attempts at accounts": account_attempts.forget(session, now - ATTEMPTS),
        "accounts never begun": accounts.forget_unseen(session, now - CONFIRMED),
    }


def _forget_codes(session: Session, now: datetime) -> dict[str, int]:
    tried = one_time_codes.forget(
        session, tries_before=now - WRONG_CODES, codes_before=now - CODES_ENDED
    )
    return {"codes and wrong tries": tried}


def _forget_lists(session: Session, now: datetime) -> dict[str, int]:
    return {
        "lists of people": people_lists.forget(session, now - LISTS),
        "looks at rooms": room_checks.forget(session, now - ROOM_LOOKS),
        "sign-ins to lists": sign_ins.forget(session, now, made_before=now - LIST_SIGN_INS),
    }


def hide_addresses(session: Session, hashes: KeyedHashes, now: datetime) -> int:
    """Put a keyed hash in place of the addresses of what ended some time ago: it can still be counted."""
    rows = session.scalars(
        select(ThirdPartyInvitation).where(
            _ended_before(now - ADDRESSES_OF_ENDED), ThirdPartyInvitation.address.contains("@")
        )
    ).all()
    for row in rows:
        row.address, row.facts = hashes.stand_in(session, row.address), {}
    return len(rows)


def _ended_before(moment: datetime) -> ColumnElement[bool]:
    """Ended, or delivered and so come to its end as well; by the timetable or not yet."""
    row = ThirdPartyInvitation
    done = row.state.in_((State.DELIVERED, State.JOINED))
    return (
        (row.ended_at < moment)
        | (
            row.ended_at.is_(None)
            & done
            & (func.coalesce(row.delivered_at, row.expires_at) < moment)
        )
        | (row.ended_at.is_(None) & ~done & (row.expires_at < moment))
    )


def _delete(
    session: Session,
    table: Table,
    which: ColumnElement[bool],
) -> int:
    gone = session.execute(
        delete(table).where(which).returning(table.id).execution_options(synchronize_session=False)
    )
    return len(gone.all())
