"""One person of a list is invited: keep the invitation, have the room hold it, order the mail. Each step twice is once."""

import logging
from datetime import timedelta

from sqlalchemy.orm import Session

from domain_rules.user_ids import homeserver_of
from identity import problems
from identity.accounts import classes as account_classes
from identity.bulk_invites import models as stored
from identity.bulk_invites import sending as list_sending
from identity.bulk_invites.models import BulkInvite, BulkInviteRow, Step
from identity.bulk_invites.sending import Placing
from identity.core.http_client import Away
from identity.core.job_outcomes import GiveUp, Later, Note, nothing
from identity.core.outbox import Job
from identity.homeservers import models as homeservers
from identity.homeservers.admin_client import Refused
from identity.homeservers.models import Homeserver
from identity.homeservers.room_actions import NoModule
from identity.services import Services

log = logging.getLogger(__name__)

GIVE_UP = timedelta(hours=48)
DELAYS = (
    timedelta(seconds=5),
    timedelta(seconds=30),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
)
MAX_WAIT = timedelta(days=1)  # over a quota: looked at again after that


def send_row(services: Services, entry: Job) -> Note:
    """Whatever was done of it before a crash is found, not done again."""
    with services.database.reading() as session:
        row = stored.row(session, entry.subject_id)
        if row is None or row.step != Step.WAITING:
            return nothing
        made = session.get_one(BulkInvite, row.list_id)
        may_invite = account_classes.is_agent(session, services.rules.current(), made.owner)
        home = homeservers.find(session, homeserver_of(made.owner))
    if home is None or not may_invite:
        raise _failed(services, row, "not_allowed")
    placing = _prepare(services, row, made)
    try:
        is_member = _place(services, home, made, row, placing)
    except NoModule:
        raise _failed(services, row, "no_module") from None
    except Refused as refused:
        raise _failed(services, row, str(refused)) from None
    except Away as away:
        delay = DELAYS[min(entry.attempts, len(DELAYS)) - 1]
        if services.now() + delay > entry.created_at + GIVE_UP:
            raise _failed(services, row, "away") from None
        raise Later(str(away), delay) from None
    return lambda session: list_sending.placed(
        session,
        services.now(),
        _again(session, row),
        is_member=is_member,
        hashes=services.hashes,
    )


def _prepare(services: Services, row: BulkInviteRow, made: BulkInvite) -> Placing:
    try:
        with services.database.transaction() as session:
            return list_sending.prepare(
                session,
                services.rules.current(),
                services.now(),
                made=made,
                row=_again(session, row),
                vault=services.vault,
                public_url=services.settings.public_url,
            )
    except problems.TooManyInvitations as limit:
        delay = min(timedelta(seconds=limit.retry_after), MAX_WAIT)
        raise Later("over the quota of the inviter", delay, _later(services, row, delay)) from None
    except problems.InvitationsPaused:
        raise _failed(services, row, "paused") from None
    except problems.NotAllowed:
        raise _failed(services, row, "not_accepted") from None


def _place(
    services: Services, home: Homeserver, made: BulkInvite, row: BulkInviteRow, placing: Placing
) -> bool:
    desk = services.room_actions_for(home)
    if placing.user_id is not None:
        return not desk.invite_user(
            room_id=made.room_id, sender=made.owner, user_id=placing.user_id
        )
    desk.invite(
        room_id=made.room_id,
        sender=made.owner,
        token=placing.token,
        address=row.address or "",
        keys=placing.keys or {},
    )
    return False


def _failed(services: Services, row: BulkInviteRow, why: str) -> GiveUp:
    def note(session: Session) -> None:
        list_sending.failed(session, services.now(), _again(session, row), why)

    return GiveUp(why, note)


def _later(services: Services, row: BulkInviteRow, delay: timedelta) -> Note:
    until = services.now() + delay

    def note(session: Session) -> None:
        _again(session, row).later_at = until

    return note


def _again(session: Session, row: BulkInviteRow) -> BulkInviteRow:
    return session.get_one(BulkInviteRow, row.id)
