"""Invites one person of a bulk invite: stores the invitation, places it in the room, orders a mail.

Every step is safe to repeat.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from sqlalchemy.orm import Session

from domain_rules.user_ids import homeserver_of
from identity import problems
from identity.accounts import classes as account_classes
from identity.bulk_invites import models as bulk_invites, sending
from identity.bulk_invites.models import BulkInvite, BulkInviteRow, Step
from identity.bulk_invites.sending import Placing
from identity.core import retries
from identity.core.http_client import Away
from identity.core.job_outcomes import GiveUp, Later, RecordOutcome, record_nothing
from identity.core.outbox import Job
from identity.homeservers import models as homeservers, standing as homeserver_standing
from identity.homeservers.admin_client import Refused
from identity.homeservers.room_actions import NoModule, RoomActions
from identity.services import Services

log = logging.getLogger(__name__)

MAX_WAIT = timedelta(days=1)  # over a quota: tried again after that at the latest


@dataclass(frozen=True)
class Prepared:
    """A row whose invitation is stored and committed, or whose address somebody has."""

    bulk_invite: BulkInvite
    row: BulkInviteRow
    placing: Placing


def send_row(services: Services, job: Job) -> RecordOutcome:
    """Send the row. What was done before a crash is found, not done again. Raises Later, GiveUp.

    Raises Stopped while operators have stopped its inviter, homeserver, or domain.
    """
    with services.database.reading() as session:
        row = bulk_invites.find_row(session, job.subject_id)
        if row is None or row.step != Step.WAITING:
            return record_nothing
        bulk_invite = session.get_one(BulkInvite, row.list_id)
        may_invite = account_classes.is_agent(session, services.rules.current(), bulk_invite.owner)
        homeserver = homeservers.find(session, homeserver_of(bulk_invite.owner))
    if homeserver is None or not may_invite:
        raise _give_up(services, row, "not_allowed")
    homeserver_standing.check_reachable(homeserver, services.now())
    placing = _prepare(services, row, bulk_invite)
    line = partial(services.room_actions_for, homeserver)
    is_member = place(services, line, job, Prepared(bulk_invite, row, placing))
    return lambda session: sending.record_placed(
        session, services.now(), row.list_id, {row.id: is_member}, services.hashes
    )


def _prepare(services: Services, row: BulkInviteRow, bulk_invite: BulkInvite) -> Placing:
    try:
        with services.database.transaction() as session:
            return sending.prepare_row(
                session,
                services.rules.current(),
                services.now(),
                bulk_invite=bulk_invite,
                row=_reload(session, row),
                vault=services.vault,
                public_url=services.settings.public_url,
            )
    except problems.TooManyInvitations as limit:
        delay = min(timedelta(seconds=limit.retry_after), MAX_WAIT)
        raise Later(
            "over the quota of the inviter", delay, _recording_delay(services, row, delay)
        ) from None
    except problems.InvitationsPaused:
        raise _give_up(services, row, "paused") from None
    except problems.NotAllowed:
        raise _give_up(services, row, "not_accepted") from None


def place(
    services: Services,
    line: Callable[[], RoomActions],
    job: Job,
    prepared: Prepared,
) -> bool:
    """Ask the homeserver for it. Returns whether they were in the room. Raises Later, GiveUp.

    `line`: gives what it is asked by; may raise Away as well.
    """
    row = prepared.row
    try:
        return _place_in_room(line(), prepared)
    except NoModule:
        raise _give_up(services, row, "no_module") from None
    except Refused as refused:
        raise _give_up(services, row, str(refused)) from None
    except Away as away:
        pause = retries.BULK_INVITE_ROW.next_pause(
            job.attempts, began_at=job.created_at, now=services.now()
        )
        if pause is None:
            raise _give_up(services, row, "away") from None
        raise Later(str(away), pause) from None


def _place_in_room(room_actions: RoomActions, prepared: Prepared) -> bool:
    bulk_invite, placing = prepared.bulk_invite, prepared.placing
    if placing.user_id is not None:
        return not room_actions.invite_user(
            room_id=bulk_invite.room_id, sender=bulk_invite.owner, user_id=placing.user_id
        )
    room_actions.invite(
        room_id=bulk_invite.room_id,
        sender=bulk_invite.owner,
        token=placing.token,
        address=prepared.row.address or "",
        keys=placing.keys or {},
    )
    return False


def _give_up(services: Services, row: BulkInviteRow, why: str) -> GiveUp:
    def note(session: Session) -> None:
        sending.record_failed(session, services.now(), _reload(session, row), why)

    return GiveUp(why, note)


def _recording_delay(services: Services, row: BulkInviteRow, delay: timedelta) -> RecordOutcome:
    until = services.now() + delay

    def note(session: Session) -> None:
        _reload(session, row).later_at = until

    return note


def _reload(session: Session, row: BulkInviteRow) -> BulkInviteRow:
    return session.get_one(BulkInviteRow, row.id)
