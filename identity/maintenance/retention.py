"""How long each kind of row is stored; the scheduler deletes older ones every night."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from identity.accounts import models as accounts, room_members, session_models, successions
from identity.bulk_invites import (
    models as bulk_invites,
    quota_models,
    room_check_models,
    sign_in_models,
)
from identity.core import batches, key_uses, rows
from identity.core.batches import Done, Step
from identity.core.database import Base, Database
from identity.core.keyed_hashes import KeyedHashes
from identity.core.one_time_codes import models as stored_codes
from identity.core.outbox import Job
from identity.domain_requests import asking as domain_askings, ending as domain_requests
from identity.freezes import models as freezes
from identity.invitations import block_models as inviter_blocks, lost as lost_invitations
from identity.invitations.models import State, ThirdPartyInvitation
from identity.mail.models import Mail
from identity.operators import (
    kept_answers,
    kept_forms,
    links as operator_links,
    notices as operator_notices,
    sessions as operator_sessions,
    sign_in_models as operator_sign_ins,
)
from identity.operators.passkeys import models as passkeys
from identity.operators.sso import models as sso
from identity.people import file_models as person_files
from identity.registration import models as account_attempts
from identity.rule_changes import change_models as rule_changes, imports as rule_imports
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
REFUSAL_COUNTS = timedelta(days=8)  # shown for seven
SUCCESSIONS = timedelta(days=365)
ROOM_MEMBERS = timedelta(days=365)
BULK_INVITES = timedelta(days=90)
LIST_QUOTAS = timedelta(days=7)
BULK_INVITE_SIGN_INS = timedelta(days=7)
DOMAIN_ASKINGS = timedelta(days=7)
ROOM_CHECKS = timedelta(days=1)
SESSIONS = timedelta(days=7)  # after their beginning: all have ended by then
OPERATOR_SESSIONS = timedelta(days=30)  # after their beginning; the same for links, and notices
OPERATOR_SIGN_INS = timedelta(days=7)
ATTEMPTS = timedelta(days=7)
WRONG_CODES = timedelta(days=1)  # the period that the limits count
CODES_ENDED = timedelta(days=9)  # an ended code can undo a mistake for a week
JOBS_DONE = timedelta(days=7)
CHANGES_ABANDONED = timedelta(days=183)
RULE_IMPORTS = timedelta(days=7)
EFFECTS_OF_CHANGES = timedelta(days=365)  # counts by domain
JOBS_GIVEN_UP = timedelta(days=30)
PERSON_FILES = timedelta(days=1)  # after their half hour; the journal keeps the openings


def steps(now: datetime, hashes: KeyedHashes) -> dict[str, Step]:
    """What is to be done, by kind of row. Each step deletes or hides at most so many rows."""
    return {
        "unconfirmed requests": _deleting(VerificationRequest, _unconfirmed(now)),
        "confirmed requests": _deleting(
            VerificationRequest,
            VerificationRequest.state.in_((Request.CONFIRMED, Request.USED))
            & (VerificationRequest.created_at < now - CONFIRMED),
        ),
        "validation sessions": _deleting(
            ValidationSession, ValidationSession.created_at < now - VALIDATIONS
        ),
        "invitations": _deleting(ThirdPartyInvitation, _ended_before(now - INVITATIONS_ENDED)),
        "mails": _deleting(Mail, _mails_before(now - MAIL_STATUS)),
        "jobs done": _deleting(Job, Job.done_at < now - JOBS_DONE),
        "jobs given up": _deleting(Job, Job.gave_up_at < now - JOBS_GIVEN_UP),
        "addresses of ended invitations": lambda session, limit: hide_addresses(
            session, hashes, now, limit=limit
        ),
        "people of decided domain requests": lambda session, limit: domain_requests.hide_people(
            session, hashes, now, limit=limit
        ),
        **_steps_of_stories(now),
    }


def clean_up(
    database: Database,
    now: datetime,
    hashes: KeyedHashes,
    *,
    until: Callable[[], bool] = batches.never,
    batch: int = batches.BATCH,
) -> Done:
    """Delete all rows older than their term, a batch in a transaction each, until there are none.

    `until`: says that the time of this run is over; the next run goes on with the rest.
    """
    return batches.run(database, steps(now, hashes), until=until, batch=batch)


def _deleting(table: type[Base], which: ColumnElement[bool]) -> Step:
    return lambda session, limit: rows.delete(session, table, which, limit=limit)


def _steps_of_stories(now: datetime) -> dict[str, Step]:
    return {
        "module reports": lambda session, limit: report_models.forget(
            session,
            reports_before=now - MODULE_REPORTS,
            refusals_before=now - MODULE_REFUSALS,
            counts_before=now - REFUSAL_COUNTS,
            limit=limit,
        ),
        "codes and wrong tries": lambda session, limit: stored_codes.forget(
            session, tries_before=now - WRONG_CODES, codes_before=now - CODES_ENDED, limit=limit
        ),
        "sign-ins to bulk invites": lambda session, limit: sign_in_models.forget(
            session, now, made_before=now - BULK_INVITE_SIGN_INS, limit=limit
        ),
        "askings for domains": _forgetting(domain_askings.forget, now - DOMAIN_ASKINGS),
        "domain requests that nobody decided": lambda session, limit: domain_requests.expire(
            session, now, limit=limit
        ),
        "domain requests of abandoned changes": (
            lambda session, limit: domain_requests.settle_abandoned(session, now, limit=limit)
        ),
        "domain requests for open domains": (
            lambda session, limit: domain_requests.settle_open(session, now, limit=limit)
        ),
        "lost invitations": _forgetting(lost_invitations.forget, now - MODULE_REPORTS),
        "successions": _forgetting(successions.forget, now - SUCCESSIONS),
        "room members": _forgetting(room_members.forget, now - ROOM_MEMBERS),
        "identity tokens": _forgetting(identity_accounts.forget, now),
        "ends of accounts": _forgetting(identity_accounts.forget_ended, now),
        "sessions of people": _forgetting(session_models.forget, now - SESSIONS),
        "sessions of operators": _forgetting(operator_sessions.forget, now - OPERATOR_SESSIONS),
        "links of operators": _forgetting(operator_links.forget, now - OPERATOR_SESSIONS),
        "notices to operators": _forgetting(operator_notices.forget, now - OPERATOR_SESSIONS),
        "sign-ins of operators": _forgetting(operator_sign_ins.forget, now - OPERATOR_SIGN_INS),
        "kept forms": _forgetting(kept_forms.forget, now - kept_forms.KEPT_FOR),
        "account attempts": _forgetting(account_attempts.forget, now - ATTEMPTS),
        "accounts never begun": _forgetting(accounts.forget_unused_claims, now - CONFIRMED),
        "bulk invites": _forgetting(bulk_invites.forget, now - BULK_INVITES),
        "quotas of bulk invites": _forgetting(quota_models.forget, now - LIST_QUOTAS),
        "room checks": _forgetting(room_check_models.forget, now - ROOM_CHECKS),
        "sign-ins by the OpenID provider": _forgetting(sso.forget, now),
        "challenges of passkeys": _forgetting(passkeys.forget_challenges, now),
        "uses of keys": _forgetting(key_uses.forget, now),
        "abandoned changes of rules": _forgetting(
            rule_changes.forget_abandoned, now - CHANGES_ABANDONED
        ),
        "effects of changes of rules": _forgetting(
            rule_changes.forget_effects, now - EFFECTS_OF_CHANGES
        ),
        "files of rules": _forgetting(rule_imports.forget, now - RULE_IMPORTS),
        # Those whose time is over; the journal keeps them.
        "freezes": _forgetting(freezes.forget, now),
        "person files": _forgetting(person_files.forget, now - PERSON_FILES),
        "blocks of inviters": _forgetting(inviter_blocks.forget, now),
        "answers to calls of programs": _forgetting(kept_answers.forget, now),
    }


class Forget(Protocol):
    """A function of a story that deletes what is older than a moment."""

    def __call__(self, session: Session, before: datetime, /, *, limit: int) -> int:
        """Return the number of rows."""


def _forgetting(forget: Forget, before: datetime) -> Step:
    return lambda session, limit: forget(session, before, limit=limit)


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


def _mails_before(moment: datetime) -> ColumnElement[bool]:
    # None is due before it was ordered, so the second follows from the first; it has an index.
    return (func.coalesce(Mail.due_at, Mail.created_at) < moment) & (Mail.created_at < moment)


def hide_addresses(
    session: Session, hashes: KeyedHashes, now: datetime, *, limit: int = batches.BATCH
) -> int:
    """Replace the addresses of invitations that ended 30 days ago by keyed hashes.

    Hashes can still be counted. At most so many; return the number of invitations.
    """
    ended = session.scalars(
        select(ThirdPartyInvitation)
        .where(_ended_before(now - ADDRESSES_OF_ENDED), ThirdPartyInvitation.address.contains("@"))
        .limit(limit)
        .with_for_update(skip_locked=True)
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
