"""The outcome of a bulk invite: a status for each row, counts, and when it will be sent."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy.orm import Session

from domain_rules.bulk_invites.checks import RowOutcome
from identity.core.database import limits_count
from identity.invitations import inviters, models as third_party_invitations
from identity.invitations.models import State, ThirdPartyInvitation
from identity.invitations.states import state_of

from . import models as bulk_invites
from .models import BulkInvite, BulkInviteRow, Step

# A careful pace for one worker with a local relay, so that estimates are rarely too early.
ROWS_A_SECOND = 2


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
    """The numbers of rows. `for_guests` and `for_agents`: those that can be sent, or were."""

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


def lines_of(session: Session, now: datetime, rows: Sequence[BulkInviteRow]) -> list[Line]:
    """Each row with its status."""
    ids = [row.invitation_id for row in rows if row.invitation_id is not None]
    invitations = bulk_invites.find_invitations(session, ids)
    return [Line(row, _status_of(row, invitations, now)) for row in rows]


def counts_of(session: Session, bulk_invite: BulkInvite) -> Counts:
    """The numbers of rows, counted by the database."""
    steps: Counter[str] = Counter()
    classes: Counter[bool] = Counter()
    for outcome, step, for_guest, count in bulk_invites.count_rows(session, bulk_invite.id):
        steps[step] += count
        if step != Step.NONE or outcome == RowOutcome.READY:
            classes[for_guest] += count
    return Counts(
        total=steps.total(),
        waiting=steps[Step.WAITING],
        invited=steps[Step.INVITED],
        members=steps[Step.MEMBER],
        failed=steps[Step.FAILED],
        unsent=steps[Step.NONE],
        for_guests=classes[True],
        for_agents=classes[False],
    )


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


def estimate_end(
    session: Session, now: datetime, bulk_invite: BulkInvite, *, guests: int, agents: int
) -> datetime:
    """When the last row will be sent, by the inviter's quota and the pace of the worker."""
    pace = now + timedelta(seconds=(guests + agents) / ROWS_A_SECOND)
    if not limits_count(session):
        return pace
    return max(
        pace,
        _free_at(session, now, bulk_invite.owner, guests, for_guest=True),
        _free_at(session, now, bulk_invite.owner, agents, for_guest=False),
    )


def _free_at(
    session: Session, now: datetime, sender: str, wanted: int, *, for_guest: bool
) -> datetime:
    most = inviters.MAX_GUESTS if for_guest else inviters.MAX_AGENTS
    created = third_party_invitations.find_creation_times(
        session, sender, for_guest=for_guest, since=now - inviters.DAY
    )
    times, leaves = list(created), now
    for _ in range(wanted):
        if len(times) >= most:
            leaves = max(leaves, times[-most] + inviters.DAY)
        times.append(leaves)
    return leaves


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
