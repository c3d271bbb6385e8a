"""What became of a list: a word for each row, the counts, and when the last of it will have left."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy.orm import Session

from domain_rules.bulk_invites.checks import Outcome
from identity.invitations import inviters
from identity.invitations import models as third_party_invitations
from identity.invitations.models import State, ThirdPartyInvitation
from identity.invitations.states import state_of

from . import models as stored
from .models import BulkInvite, BulkInviteRow, Step

# A careful pace for one worker with a relay beside it: a promise must not be better than what is kept.
ROWS_A_SECOND = 2


class RowStatus(StrEnum):
    """What a row says after the check; before, it is the check's own word."""

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


SINCE = {
    State.REFUSED: RowStatus.REFUSED,
    State.ACCEPTED: RowStatus.ACCEPTED,
    State.DELIVERED: RowStatus.ACCEPTED,
    State.JOINED: RowStatus.ACCEPTED,
    State.DECLINED: RowStatus.DECLINED,
    State.EXPIRED: RowStatus.EXPIRED,
    State.REVOKED: RowStatus.REVOKED,
}
STEPS = {Step.MEMBER: RowStatus.MEMBER, Step.FAILED: RowStatus.FAILED}


@dataclass(frozen=True)
class Line:
    """One row as the report tells it."""

    row: BulkInviteRow
    word: str


@dataclass(frozen=True)
class Counts:
    """How a list stands. `for_guests` and `for_agents` are what can be, or was, sent."""

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


def lines(session: Session, now: datetime, rows: Sequence[BulkInviteRow]) -> list[Line]:
    """The word of each row."""
    ids = [row.invitation_id for row in rows if row.invitation_id is not None]
    invitations = stored.invitations_of(session, ids)
    return [Line(row, _word(row, invitations, now)) for row in rows]


def counts(session: Session, made: BulkInvite) -> Counts:
    """Counted by the database, whatever the length of the list."""
    steps: Counter[str] = Counter()
    classes: Counter[bool] = Counter()
    for outcome, step, for_guest, count in stored.counts(session, made.id):
        steps[step] += count
        if step != Step.NONE or outcome == Outcome.READY:
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


def column(made: BulkInvite) -> dict[str, Any] | None:
    """The column that is read: its number, 0 for every address, and its name; None: it is to be chosen."""
    if made.address_column is None:
        return None
    return {"number": made.address_column, "name": made.column_name}


def columns(session: Session, made: BulkInvite) -> list[dict[str, Any]]:
    """What can be chosen from; nothing once the list is sent, or where there is no choice."""
    return [
        {
            "number": each.number,
            "name": each.name,
            "addresses": each.addresses,
            "examples": each.examples,
        }
        for each in stored.columns_of(session, made.id)
    ]


def ends_at(
    session: Session, now: datetime, made: BulkInvite, *, guests: int, agents: int
) -> datetime:
    """When the last of so many will have left, by the inviter's quota and the pace of the worker."""
    pace = now + timedelta(seconds=(guests + agents) / ROWS_A_SECOND)
    if not session.info.get("limited", True):
        return pace
    return max(
        pace,
        _free_at(session, now, made.owner, guests, for_guest=True),
        _free_at(session, now, made.owner, agents, for_guest=False),
    )


def _free_at(
    session: Session, now: datetime, sender: str, wanted: int, *, for_guest: bool
) -> datetime:
    most = inviters.MAX_GUESTS if for_guest else inviters.MAX_AGENTS
    times = third_party_invitations.sent_times(
        session, sender, for_guest=for_guest, since=now - inviters.DAY
    )
    leaves = now
    for _ in range(wanted):
        if len(times) >= most:
            leaves = max(leaves, times[-most] + inviters.DAY)
        times.append(leaves)
    return leaves


def _word(
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
            return SINCE.get(since, RowStatus.INVITED) if since else RowStatus.INVITED
        case step:
            return STEPS[step]
