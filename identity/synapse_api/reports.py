"""What a homeserver's module saw there: invitations end or are taken up, addresses come and go, people are refused."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from domain_rules.addresses import InvalidAddress
from domain_rules.rules import RuleSet
from domain_rules.user_ids import homeserver_of, is_of_homeserver
from identity import problems
from identity.accounts import ends as account_ends
from identity.accounts import room_members, verified_addresses
from identity.binding import service as binding
from identity.binding.service import Policy
from identity.core import outbox
from identity.core.keyed_hashes import KeyedHashes
from identity.core.outbox import JobKind, Lane
from identity.invitations import history as invitation_events
from identity.invitations import models as third_party_invitations
from identity.invitations import room_agreement
from identity.invitations import service as invitations
from identity.invitations.history import Happened
from identity.invitations.models import Delivery, State, ThirdPartyInvitation
from identity.threepids import associations

from . import report_models as module_reports
from .report_shapes import Address, InRoom, InvitedByMail, OfUser, Refusals, Revoked

THE_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
NO_KIND = "?"  # kept in place of what is no kind we know: anything may stand there


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


Said = InvitedByMail | Revoked | OfUser | InRoom | Address | Refusals


@dataclass(frozen=True)
class Taker:
    """What every kind of report is taken with. `homeserver`: whose credential came with it."""

    session: Session
    rules: RuleSet
    now: datetime
    policy: Policy
    homeserver: str
    hashes: KeyedHashes | None = None


def take(
    session: Session,
    rules: RuleSet,
    now: datetime,
    *,
    policy: Policy,
    homeserver: str,
    report_id: uuid.UUID,
    said: Mapping[str, Any],
    hashes: KeyedHashes | None = None,
) -> Outcome:
    """Do what the report asks for, once; the same one again is answered as the first time.

    A homeserver reports what became of its own people and of the invitations they sent, nothing else. What
    is another's is answered as what there is not. `hashes`: as of `room_agreement.confirm`.
    """
    kind = _kind(said)
    row = module_reports.claim(session, now, homeserver=homeserver, report_id=report_id, kind=kind)
    if row.result == module_reports.BEGUN:
        outcome = _take(Taker(session, rules, now, policy, homeserver, hashes), kind, said)
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
    if not all(is_of_homeserver(user_id, taker.homeserver) for user_id in report.of):
        return NOT_YOURS
    return take_it(taker, report)


def _invited_by_mail(taker: Taker, report: InvitedByMail) -> Outcome:
    """Its mail may leave. Of one that had ended, as the room took it too late, the room is emptied again."""
    invitation = third_party_invitations.by_token(taker.session, report.token)
    if (
        invitation is None
        or invitation.room_id != report.room_id
        or invitation.sender != report.sender
    ):
        return IGNORED
    room_members.joined(taker.session, taker.now, room_id=report.room_id, user_id=report.sender)
    if room_agreement.confirm(taker.session, taker.now, invitation, taker.hashes):
        return OK
    if invitation.ended_at is not None:
        outbox.enqueue(
            taker.session, JobKind.REVOCATION, invitation.id, taker.now, lane=Lane.NORMAL
        )
    return IGNORED


def _revoked(taker: Taker, report: Revoked) -> Outcome:
    """By the homeserver of whoever sent it: others see the token in the room, and a room's ID names nobody."""
    invitation = third_party_invitations.by_token(taker.session, report.token)
    if (
        invitation is None
        or invitation.room_id != report.room_id
        or homeserver_of(invitation.sender) != taker.homeserver
    ):
        return IGNORED if is_of_homeserver(report.by, taker.homeserver) else NOT_YOURS
    ended = invitations.revoke(taker.session, taker.now, invitation, by=report.by, in_room=False)
    return OK if ended else IGNORED


def _invited(taker: Taker, report: InRoom) -> Outcome:
    """The homeserver has the invitation: what our own delivery may not have seen the end of."""
    return _note(taker, report, State.DELIVERED, Happened.DELIVERED)


def _joined(taker: Taker, report: InRoom) -> Outcome:
    if report.by != report.user_id:
        return IGNORED  # nobody joins for another
    if _theirs(taker, report):
        room_members.joined(
            taker.session, taker.now, room_id=report.room_id, user_id=report.user_id
        )
    return _note(taker, report, State.JOINED, Happened.JOINED)


def _left(taker: Taker, report: InRoom) -> Outcome:
    """Before joining, by themselves: declined. What becomes of a member later moves no invitation.

    Whoever is out again, by whomever, leaves no event behind by which they came: it would keep the room from closing.
    """
    room_members.left(taker.session, room_id=report.room_id, user_id=report.user_id)
    for each in _theirs(taker, report):
        if each.delivery == Delivery.DELIVERED and not _is_emptied(taker.session, each):
            outbox.enqueue(taker.session, JobKind.REVOCATION, each.id, taker.now, lane=Lane.NORMAL)
    if report.by != report.user_id:
        return IGNORED
    return _note(taker, report, State.DECLINED, Happened.DECLINED)


def _is_emptied(session: Session, invitation: ThirdPartyInvitation) -> bool:
    return invitation_events.last(session, invitation.id, Happened.ROOM_EMPTIED) is not None


def _note(taker: Taker, report: InRoom, state: State, happened: Happened) -> Outcome:
    """Move what was delivered to this user in this room. The history names them or who invited, nobody else."""
    moved = [
        invitations.record(
            taker.session,
            taker.now,
            each,
            state,
            happened,
            by=report.by if report.by in {report.user_id, each.sender} else taker.homeserver,
        )
        for each in _theirs(taker, report)
    ]
    return OK if any(moved) else IGNORED


def _theirs(taker: Taker, report: InRoom) -> Sequence[ThirdPartyInvitation]:
    """What was delivered, or is about to be, to this user in this room; oldest first."""
    bound = (each.address for each in associations.of_user(taker.session, report.user_id))
    addresses = {*verified_addresses.of_user(taker.session, report.user_id), *bound}
    return taker.session.scalars(
        select(ThirdPartyInvitation)
        .where(
            ThirdPartyInvitation.address.in_(addresses),
            ThirdPartyInvitation.room_id == report.room_id,
            ThirdPartyInvitation.invitee == report.user_id,
        )
        .order_by(ThirdPartyInvitation.created_at)
    ).all()


def _deactivated(taker: Taker, report: OfUser) -> Outcome:
    """The address is free again; a delivery that waits finds nobody, and the invitation waits as before."""
    account_ends.end_account(taker.session, taker.now, report.user_id)
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
    "third_party_invited": (TypeAdapter(InvitedByMail), _invited_by_mail),
    "third_party_invite_revoked": (TypeAdapter(Revoked), _revoked),
    "invited": (TypeAdapter(InRoom), _invited),
    "joined": (TypeAdapter(InRoom), _joined),
    "left": (TypeAdapter(InRoom), _left),
    "deactivated": (TypeAdapter(OfUser), _deactivated),
    "bound": (TypeAdapter(Address), _bound),
    "unbound": (TypeAdapter(Address), _unbound),
    "refusals": (TypeAdapter(Refusals), _refusals),
}
