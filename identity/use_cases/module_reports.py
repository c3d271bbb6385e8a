"""What a homeserver's module saw there: invitations end or are taken up, addresses come and go, people are refused."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from domain_rules.addresses import InvalidAddress
from domain_rules.rules import RuleSet
from domain_rules.user_ids import MOST_USER_ID, USER_ID
from identity import problems
from identity.storage import (
    associations,
    module_reports,
    proved_addresses,
    third_party_invitations,
)
from identity.storage.invitation_events import Happened
from identity.storage.third_party_invitations import State, ThirdPartyInvitation

from . import account_ends, binding, invitations
from .binding import Policy, homeserver_of, is_own

Text = Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[^\x00-\x1f\x7f]+$")]
UserId = Annotated[str, Field(max_length=MOST_USER_ID, pattern=rf"^{USER_ID.pattern}$")]

THE_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
NO_KIND = "?"  # kept in place of what is no kind we know: anything may stand there
MOST_REFUSALS = 1000  # different ones in one report


@dataclass(frozen=True)
class Outcome:
    """What became of a report."""

    result: str  # ok, ignored, rejected
    why: str | None = None

    @property
    def told(self) -> dict[str, str]:
        return {"result": self.result} | ({"why": self.why} if self.why else {})


OK, IGNORED = Outcome("ok"), Outcome("ignored")
NOT_YOURS = Outcome("rejected", "not_yours")
UNREADABLE = Outcome("rejected", "unreadable")
UNKNOWN_KIND = Outcome("rejected", "unknown_kind")


@dataclass(frozen=True)
class Revoked:
    """The event of a third-party invitation was emptied."""

    room_id: Text
    token: Text
    by: UserId

    @property
    def of(self) -> tuple[str, ...]:
        """Whom it is about: that is whoever invited, see `_revoked`."""
        return ()


@dataclass(frozen=True)
class OfUser:
    """Something about one of the homeserver's own people."""

    user_id: UserId

    @property
    def of(self) -> tuple[str, ...]:
        return (self.user_id,)


@dataclass(frozen=True)
class InRoom(OfUser):
    """Invited, joined or left. `by`: who invited, or who ended it."""

    room_id: Text
    by: UserId


@dataclass(frozen=True)
class Address(OfUser):
    """An address that the homeserver verified, or took away."""

    address: Text


@dataclass(frozen=True)
class Refused:
    """One user was refused for one reason so many times."""

    user_id: UserId
    reason: Text
    count: Annotated[int, Field(ge=1, le=1_000_000)]
    last_at: Annotated[int, Field(ge=0, le=4_102_444_800_000)]  # milliseconds


@dataclass(frozen=True)
class Refusals:
    """What was refused since the report before."""

    refusals: Annotated[tuple[Refused, ...], Field(max_length=MOST_REFUSALS)]

    @property
    def of(self) -> tuple[str, ...]:
        return tuple(each.user_id for each in self.refusals)


Said = Revoked | OfUser | InRoom | Address | Refusals


@dataclass(frozen=True)
class Taker:
    """What every kind of report is taken with. `homeserver`: whose credential came with it."""

    session: Session
    rules: RuleSet
    now: datetime
    policy: Policy
    homeserver: str


def take(
    session: Session,
    rules: RuleSet,
    now: datetime,
    *,
    policy: Policy,
    homeserver: str,
    report_id: uuid.UUID,
    said: Mapping[str, Any],
) -> Outcome:
    """Do what the report asks for, once; the same one again is answered as the first time.

    A homeserver reports what became of its own people and of the invitations they sent, nothing else. What
    is another's is answered as what there is not.
    """
    kind = _kind(said)
    row = module_reports.claim(session, now, homeserver=homeserver, report_id=report_id, kind=kind)
    if row.result == module_reports.BEGUN:
        outcome = _take(Taker(session, rules, now, policy, homeserver), kind, said)
        row.result, row.why = outcome.result, outcome.why
    return Outcome(row.result, row.why)


def _kind(said: Mapping[str, Any]) -> str:
    kind = said.get("kind")
    return kind if isinstance(kind, str) and kind in KINDS else NO_KIND


def _take(taker: Taker, kind: str, said: Mapping[str, Any]) -> Outcome:
    if kind not in KINDS:
        return UNKNOWN_KIND
    reader, take_it = KINDS[kind]
    try:
        report = reader.validate_python(dict(said))
    except (ValidationError, UnicodeEncodeError):
        return UNREADABLE
    if not all(is_own(user_id, taker.homeserver) for user_id in report.of):
        return NOT_YOURS
    return take_it(taker, report)


def _revoked(taker: Taker, report: Revoked) -> Outcome:
    """By the homeserver of whoever sent it: others see the token in the room, and a room's ID names nobody."""
    invitation = third_party_invitations.by_token(taker.session, report.token)
    if (
        invitation is None
        or invitation.room_id != report.room_id
        or homeserver_of(invitation.sender) != taker.homeserver
    ):
        return IGNORED if is_own(report.by, taker.homeserver) else NOT_YOURS
    ended = invitations.revoke(taker.session, taker.now, invitation, by=report.by, in_room=False)
    return OK if ended else IGNORED


def _invited(taker: Taker, report: InRoom) -> Outcome:
    """The homeserver has the invitation: what our own delivery may not have seen the end of."""
    return _note(taker, report, State.DELIVERED, Happened.DELIVERED)


def _joined(taker: Taker, report: InRoom) -> Outcome:
    if report.by != report.user_id:
        return IGNORED  # nobody joins for another
    return _note(taker, report, State.JOINED, Happened.JOINED)


def _left(taker: Taker, report: InRoom) -> Outcome:
    """Before joining, by themselves: declined. What becomes of a member later is no matter of invitations."""
    if report.by != report.user_id:
        return IGNORED
    return _note(taker, report, State.DECLINED, Happened.DECLINED)


def _note(taker: Taker, report: InRoom, state: State, happened: Happened) -> Outcome:
    """Move what was delivered to this user in this room. The history names them or who invited, nobody else."""
    bound = (each.address for each in associations.of_user(taker.session, report.user_id))
    addresses = {*proved_addresses.of_user(taker.session, report.user_id), *bound}
    found = taker.session.scalars(
        select(ThirdPartyInvitation)
        .where(
            ThirdPartyInvitation.address.in_(addresses),
            ThirdPartyInvitation.room_id == report.room_id,
            ThirdPartyInvitation.invitee == report.user_id,
        )
        .order_by(ThirdPartyInvitation.created_at)
    )
    moved = [
        invitations.note(
            taker.session,
            taker.now,
            each,
            state,
            happened,
            by=report.by if report.by in {report.user_id, each.sender} else taker.homeserver,
        )
        for each in found.all()
    ]
    return OK if any(moved) else IGNORED


def _deactivated(taker: Taker, report: OfUser) -> Outcome:
    """The address is free again; a delivery that waits finds nobody, and the invitation waits as before."""
    account_ends.end(taker.session, taker.now, report.user_id)
    return OK


def _bound(taker: Taker, report: Address) -> Outcome:
    """What is rejected is neither associated nor proved: it makes nobody an agent."""
    try:
        address = taker.rules.read(report.address, smtputf8=True, typed=False)
    except InvalidAddress as error:
        return Outcome("rejected", str(error.reason))
    try:
        binding.bind_verified(
            taker.session,
            taker.rules,
            taker.now,
            policy=taker.policy,
            address=address,
            user_id=report.user_id,
        )
    except problems.WrongServer as error:
        return Outcome("rejected", error.further["org.guichet.reason"])
    return OK


def _unbound(taker: Taker, report: Address) -> Outcome:
    binding.unbind_verified(
        taker.session, taker.now, address=report.address, user_id=report.user_id
    )
    return OK


def _refusals(taker: Taker, report: Refusals) -> Outcome:
    for each in report.refusals:
        last_at = THE_BEGINNING + timedelta(milliseconds=each.last_at)
        module_reports.add_refusals(
            taker.session,
            user_id=each.user_id,
            reason=each.reason,
            count=each.count,
            last_at=min(last_at, taker.now),
        )
    return OK


KINDS: dict[str, tuple[TypeAdapter[Any], Callable[[Taker, Any], Outcome]]] = {
    "third_party_invite_revoked": (TypeAdapter(Revoked), _revoked),
    "invited": (TypeAdapter(InRoom), _invited),
    "joined": (TypeAdapter(InRoom), _joined),
    "left": (TypeAdapter(InRoom), _left),
    "deactivated": (TypeAdapter(OfUser), _deactivated),
    "bound": (TypeAdapter(Address), _bound),
    "unbound": (TypeAdapter(Address), _unbound),
    "refusals": (TypeAdapter(Refusals), _refusals),
}
