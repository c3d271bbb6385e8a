"""The outcome of a bulk invite: a status for each row, counts, and when it will be sent."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy.orm import Session

from identity.invitations.models import State, ThirdPartyInvitation
from identity.invitations.states import state_of

from . import forecast, models as bulk_invites, quota as quotas
from .models import BulkInvite, BulkInviteRow, BulkInviteState, Step


class RowStatus(StrEnum):
    """The status of a row after the check; before, it is the outcome of the check."""

    WAITING = "waiting"
    DELAYED = "delayed"  # over the quota of the inviter
    INVITED = "invited"
    MEMBER = "already_member"
    FAILED = "failed"
    REFUSED = "refused"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    EXPIRED = "expired"
    REVOKED = "revoked"


STATUS_OF_STATE = {
    State.REFUSED: RowStatus.REFUSED,
    State.ACCEPTED: RowStatus.ACCEPTED,
    State.DELIVERED: RowStatus.ACCEPTED,
    State.JOINED: RowStatus.ACCEPTED,
    State.DECLINED: RowStatus.DECLINED,
    State.EXPIRED: RowStatus.EXPIRED,
    State.REVOKED: RowStatus.REVOKED,
}
STATUS_OF_STEP = {Step.MEMBER: RowStatus.MEMBER, Step.FAILED: RowStatus.FAILED}


@dataclass(frozen=True)
class Line:
    """A row with its status (`word`)."""

    row: BulkInviteRow
    word: str


@dataclass(frozen=True)
class Counts:
    """The numbers of rows. `for_guests` and `for_agents`: of a checked list, those to be sent."""

    total: int
    waiting: int
    invited: int
    members: int
    failed: int
    unsent: int
    for_guests: int
    for_agents: int

    @property
    def sent(self) -> int:
        return self.invited + self.members

    @property
    def ready(self) -> int:
        """How many can be sent as they stand."""
        return self.for_guests + self.for_agents


def lines_of(session: Session, now: datetime, rows: Sequence[BulkInviteRow]) -> list[Line]:
    """Each row with its status."""
    ids = [row.invitation_id for row in rows if row.invitation_id is not None]
    invitations = bulk_invites.find_invitations(session, ids)
    return [Line(row, _status_of(row, invitations, now)) for row in rows]


def total_of(session: Session, bulk_invite: BulkInvite) -> int:
    """How many rows it has; those of erased people are not there any more."""
    if bulk_invite.total is not None:
        return bulk_invite.total
    return sum(bulk_invites.count_steps(session, bulk_invite.id).values())


def counts_of(session: Session, bulk_invite: BulkInvite) -> Counts:
    """The numbers of rows: stored with a checked list, and counted by index once it is sent."""
    if bulk_invite.state == BulkInviteState.CHECKING:
        return _unsent(bulk_invite.total or 0, 0, 0)
    if bulk_invite.state == BulkInviteState.CHECKED and bulk_invite.total is not None:
        guests, agents = bulk_invite.ready_guests or 0, bulk_invite.ready_agents or 0
        return _unsent(bulk_invite.total, guests, agents)
    steps = Counter(bulk_invites.count_steps(session, bulk_invite.id))
    if bulk_invite.state == BulkInviteState.CHECKED:  # of an older version
        ready = bulk_invites.count_ready(session, bulk_invite.id)
        return _unsent(steps.total(), ready.get(True, 0), ready.get(False, 0))
    return Counts(
        total=steps.total(),
        waiting=steps[Step.WAITING],
        invited=steps[Step.INVITED],
        members=steps[Step.MEMBER],
        failed=steps[Step.FAILED],
        unsent=steps[Step.NONE],
        for_guests=0,
        for_agents=0,
    )


def _unsent(total: int, guests: int, agents: int) -> Counts:
    return Counts(total, 0, 0, 0, 0, total, guests, agents)


def column_of(bulk_invite: BulkInvite) -> dict[str, Any] | None:
    """The column that is read: its number (0: every address) and its name; None: to be chosen."""
    if bulk_invite.address_column is None:
        return None
    return {"number": bulk_invite.address_column, "name": bulk_invite.column_name}


def columns_of(session: Session, bulk_invite: BulkInvite) -> list[dict[str, Any]]:
    """The columns to choose from; none once it is sent, or where there is no choice."""
    fields = ("number", "name", "addresses", "examples")
    return [
        {field: getattr(each, field) for field in fields}
        for each in bulk_invites.columns_of(session, bulk_invite.id)
    ]


def forecast_of(
    session: Session, now: datetime, bulk_invite: BulkInvite, counted: Counts, *, quota: int
) -> datetime | None:
    """When its last row will be sent, by the measured pace and the quota of the organisation.

    For a checked list: if it is sent now. None: nobody knows the pace yet.
    """
    wanted = _count_to_order(session, bulk_invite, counted)
    last = quotas.last_day(session, now, bulk_invite.organisation, wanted, quota=quota)
    until = max(last, bulk_invite.delayed_until or last)
    return forecast.expected_end(session, now, wanted=wanted, not_before=until)


def _count_to_order(session: Session, bulk_invite: BulkInvite, counted: Counts) -> int:
    """How many rows are not ordered yet that will be, or would be."""
    match bulk_invite.state:
        case BulkInviteState.CHECKING | BulkInviteState.CHECKED:
            return counted.ready
        case BulkInviteState.ORDERING:
            return sum(bulk_invites.count_ready(session, bulk_invite.id).values())
        case BulkInviteState.REORDERING:
            return bulk_invites.count_to_retry(session, bulk_invite.id)
        case _:
            return 0


def _status_of(
    row: BulkInviteRow, invitations: dict[object, ThirdPartyInvitation], now: datetime
) -> str:
    match Step(row.step):
        case Step.NONE:
            return row.outcome
        case Step.WAITING:
            return RowStatus.DELAYED if row.later_at else RowStatus.WAITING
        case Step.INVITED:
            invitation = invitations.get(row.invitation_id)
            since = state_of(invitation, now) if invitation else None
            return STATUS_OF_STATE.get(since, RowStatus.INVITED) if since else RowStatus.INVITED
        case step:
            return STATUS_OF_STEP[step]
