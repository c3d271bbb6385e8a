"""How long each kind of row is stored; the scheduler deletes older ones every night."""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from identity.accounts import models as accounts, room_members, session_models, successions
from identity.bulk_invites import models as bulk_invites, room_check_models, sign_in_models
from identity.core import rows
from identity.core.database import Base
from identity.core.keyed_hashes import KeyedHashes
from identity.core.one_time_codes import models as stored_codes
from identity.core.outbox import Job
from identity.invitations import lost as lost_invitations
from identity.invitations.models import State, ThirdPartyInvitation
from identity.mail.models import Mail
from identity.registration import models as account_attempts
from identity.sign_up.models import State as Request, VerificationRequest
from identity.synapse_api import report_models
from identity.threepids import account_models as identity_accounts
from identity.threepids.validation_sessions import ValidationSession

UNCONFIRMED = timedelta(days=7)
CONFIRMED = timedelta(days=30)
VALIDATIONS = timedelta(days=7)
INVITATIONS_ENDED = timedelta(days=183)  # as their mail says
# Until then a mistake can be undone and an expired invitation extended; mails are stored as long.
ADDRESSES_OF_ENDED = timedelta(days=30)
MAIL_STATUS = timedelta(days=30)
MODULE_REPORTS = timedelta(days=60)  # a homeserver sends again what is younger
MODULE_REFUSALS = timedelta(days=90)
SUCCESSIONS = timedelta(days=365)
ROOM_MEMBERS = timedelta(days=365)
BULK_INVITES = timedelta(days=90)
BULK_INVITE_SIGN_INS = timedelta(days=7)
ROOM_CHECKS = timedelta(days=1)
SESSIONS = timedelta(days=7)  # after their beginning: all have ended by then
ATTEMPTS = timedelta(days=7)
WRONG_CODES = timedelta(days=1)  # the period that the limits count
CODES_ENDED = timedelta(days=9)  # an ended code can undo a mistake for a week
JOBS_DONE = timedelta(days=7)
JOBS_GIVEN_UP = timedelta(days=30)


def clean_up(session: Session, now: datetime) -> dict[str, int]:
    """Delete all rows older than their term. Return the number of rows by kind, for the log."""
    old: dict[str, tuple[type[Base], ColumnElement[bool]]] = {
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
        "jobs done": (Job, Job.done_at < now - JOBS_DONE),
        "jobs given up": (Job, Job.gave_up_at < now - JOBS_GIVEN_UP),
    }
    deleted = {what: rows.delete(session, table, which) for what, (table, which) in old.items()}
    return (
        deleted
        | _forget_reports(session, now)
        | _forget_sessions(session, now)
        | _forget_accounts(session, now)
        | _forget_codes(session, now)
        | _forget_bulk_invites(session, now)
    )


def _unconfirmed(now: datetime) -> ColumnElement[bool]:
    old = now - UNCONFIRMED
    return (
        VerificationRequest.state.in_((Request.OPEN, Request.CANCELLED))
        & (VerificationRequest.created_at < old)
        # Its mail may still wait for its turn.
        & (VerificationRequest.expires_at < now)
        # A "not me" can be undone as long as the request exists.
        & (VerificationRequest.cancelled_at.is_(None) | (VerificationRequest.cancelled_at < old))
    )


def _forget_reports(session: Session, now: datetime) -> dict[str, int]:
    reports = report_models.forget(
        session, reports_before=now - MODULE_REPORTS, refusals_before=now - MODULE_REFUSALS
    )
    return {
        "module reports": reports,
        "lost invitations": lost_invitations.forget(session, now - MODULE_REPORTS),
        "successions": successions.forget(session, now - SUCCESSIONS),
        "room members": room_members.forget(session, now - ROOM_MEMBERS),
    }


def _forget_sessions(session: Session, now: datetime) -> dict[str, int]:
    return {
        "identity tokens": identity_accounts.forget(session, now),
        "sessions of people": session_models.forget(session, now - SESSIONS),
    }


def _forget_accounts(session: Session, now: datetime) -> dict[str, int]:
    return {
        "account attempts": account_attempts.forget(session, now - ATTEMPTS),
        "accounts never begun": accounts.forget_unused_claims(session, now - CONFIRMED),
    }


def _forget_codes(session: Session, now: datetime) -> dict[str, int]:
    tried = stored_codes.forget(
        session, tries_before=now - WRONG_CODES, codes_before=now - CODES_ENDED
    )
    return {"codes and wrong tries": tried}


def _forget_bulk_invites(session: Session, now: datetime) -> dict[str, int]:
    return {
        "bulk invites": bulk_invites.forget(session, now - BULK_INVITES),
        "room checks": room_check_models.forget(session, now - ROOM_CHECKS),
        "sign-ins to bulk invites": sign_in_models.forget(
            session, now, made_before=now - BULK_INVITE_SIGN_INS
        ),
    }


def hide_addresses(session: Session, hashes: KeyedHashes, now: datetime) -> int:
    """Replace the addresses of invitations that ended 30 days ago by keyed hashes.

    Hashes can still be counted. Return the number of invitations.
    """
    ended = session.scalars(
        select(ThirdPartyInvitation).where(
            _ended_before(now - ADDRESSES_OF_ENDED), ThirdPartyInvitation.address.contains("@")
        )
    ).all()
    for row in ended:
        row.address, row.facts = hashes.pseudonym_of(session, row.address), {}
    return len(ended)


def _ended_before(moment: datetime) -> ColumnElement[bool]:
    """Whether an invitation ended before then.

    It ended by itself, by its delivery or by its expiry, whether or not the scheduler has recorded
    that yet.
    """
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
