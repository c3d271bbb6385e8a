"""Processing the reports of our modules: memberships, invitations, addresses, refusals."""

import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from domain_rules.address_faults import InvalidAddress
from domain_rules.rules import RuleSet
from domain_rules.user_ids import homeserver_of, is_of_homeserver
from identity import problems
from identity.accounts import ends as account_ends, room_members, verified_addresses
from identity.binding import service as binding
from identity.binding.service import Policy
from identity.core.keyed_hashes import KeyedHashes
from identity.invitations import (
    history as invitation_events,
    lost as lost_invitations,
    models as third_party_invitations,
    room_agreement,
    service as invitations,
    states as invitation_states,
)
from identity.invitations.history import Happened
from identity.invitations.models import Delivery, State, ThirdPartyInvitation
from identity.threepids import associations

from . import report_models
from .report_shapes import Address, InRoom, InvitedByMail, OfUser, Refusals, Revoked, Stands

THE_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
NO_KIND = "?"  # stored instead of an unknown kind, which could be any text


@dataclass(frozen=True)
class Outcome:
    """What became of a report."""

    result: str  # ok, ignored, rejected
    why: str | None = None

    @property
    def described(self) -> dict[str, str]:
        """The result as it is answered to the module."""
        return {"result": self.result} | ({"why": self.why} if self.why else {})


OK, IGNORED = Outcome("ok"), Outcome("ignored")
NOT_YOURS = Outcome("rejected", "not_yours")
UNREADABLE = Outcome("rejected", "unreadable")
UNKNOWN_KIND = Outcome("rejected", "unknown_kind")


@dataclass(frozen=True)
class ReportContext:
    """What processing any report needs. `homeserver`: the one whose credential was sent."""

    session: Session
    rules: RuleSet
    now: datetime
    policy: Policy
    homeserver: str
    hashes: KeyedHashes | None = None


def process(
    session: Session,
    rules: RuleSet,
    now: datetime,
    *,
    policy: Policy,
    homeserver: str,
    report_id: uuid.UUID,
    content: Mapping[str, Any],
    hashes: KeyedHashes | None = None,
) -> Outcome:
    """Process a report once; sent again, it gets the first result.

    A homeserver may report about its own users and the invitations they sent only. A report about
    others gets the same result as one about an unknown invitation. `hashes`: as for
    `room_agreement.confirm`.
    """
    kind = _kind(content)
    row = report_models.claim(session, now, homeserver=homeserver, report_id=report_id, kind=kind)
    if row.result == report_models.BEGUN:
        outcome = _process(
            ReportContext(session, rules, now, policy, homeserver, hashes), kind, content
        )
        row.result, row.why = outcome.result, outcome.why
    return Outcome(row.result, row.why)


def _kind(content: Mapping[str, Any]) -> str:
    kind = content.get("kind")
    return kind if isinstance(kind, str) and kind in KINDS else NO_KIND


def _process(context: ReportContext, kind: str, content: Mapping[str, Any]) -> Outcome:
    if kind not in KINDS:
        return UNKNOWN_KIND
    reader, process_it = KINDS[kind]
    try:
        report = reader.validate_python(dict(content))
    except (ValidationError, UnicodeEncodeError):
        return UNREADABLE
    if not all(is_of_homeserver(user_id, context.homeserver) for user_id in report.about):
        return NOT_YOURS
    return process_it(context, report)


def _invited_by_mail(context: ReportContext, report: InvitedByMail) -> Outcome:
    """Release the invitation's mail; if it has ended meanwhile, enqueue its revocation."""
    invitation = third_party_invitations.find_by_token(context.session, report.token)
    if (
        invitation is None
        or invitation.room_id != report.room_id
        or invitation.sender != report.sender
    ):
        return IGNORED
    room_members.record_join(
        context.session, context.now, room_id=report.room_id, user_id=report.sender
    )
    if room_agreement.confirm(context.session, context.now, invitation, context.hashes):
        return OK
    if invitation.ended_at is not None:
        invitations.order_clearing(context.session, context.now, invitation)
    return IGNORED


def _stands(context: ReportContext, report: Stands) -> Outcome:
    """After a backup was loaded: release what still waits; what is unknown was lost by it."""
    invitation = third_party_invitations.find_by_token(context.session, report.token)
    if invitation is not None:
        return _invited_by_mail(context, report) if invitation.awaits else IGNORED
    found = lost_invitations.record(
        context.session,
        context.now,
        token=report.token,
        room_id=report.room_id,
        sender=report.sender,
        shown=report.shown,
        sent_at=THE_BEGINNING + timedelta(milliseconds=report.at),
    )
    return OK if found else IGNORED


def _revoked(context: ReportContext, report: Revoked) -> Outcome:
    """End the invitation, if the inviter's homeserver reports it: others see the token as well."""
    invitation = third_party_invitations.find_by_token(context.session, report.token)
    if (
        invitation is None
        or invitation.room_id != report.room_id
        or homeserver_of(invitation.sender) != context.homeserver
    ):
        return IGNORED if is_of_homeserver(report.by, context.homeserver) else NOT_YOURS
    ended = invitations.revoke(
        context.session, context.now, invitation, by=report.by, in_room=False
    )
    return OK if ended else IGNORED


def _invited(context: ReportContext, report: InRoom) -> Outcome:
    """Record the delivery, of which our own job may not have got the response."""
    return _record_state(context, report, State.DELIVERED, Happened.DELIVERED)


def _joined(context: ReportContext, report: InRoom) -> Outcome:
    if report.by != report.user_id:
        return IGNORED  # nobody can join for somebody else
    if _invitations_of(context, report):
        room_members.record_join(
            context.session, context.now, room_id=report.room_id, user_id=report.user_id
        )
    return _record_state(context, report, State.JOINED, Happened.JOINED)


def _left(context: ReportContext, report: InRoom) -> Outcome:
    """Record a declined invitation, if the invitee left before joining.

    When an invitee has left, in whatever way, the invitation's event in the room is emptied:
    otherwise it would keep the room from being closed.
    """
    room_members.record_leave(context.session, room_id=report.room_id, user_id=report.user_id)
    for each in _invitations_of(context, report):
        if each.delivery == Delivery.DELIVERED and not _is_emptied(context.session, each):
            invitations.order_clearing(context.session, context.now, each)
    if report.by != report.user_id:
        return IGNORED
    return _record_state(context, report, State.DECLINED, Happened.DECLINED)


def _is_emptied(session: Session, invitation: ThirdPartyInvitation) -> bool:
    return (
        invitation_events.find_last_event(session, invitation.id, Happened.ROOM_EMPTIED) is not None
    )


def _record_state(
    context: ReportContext, report: InRoom, state: State, happened: Happened
) -> Outcome:
    """Record a new state of this user's invitations to this room.

    The history names the user or the inviter; anybody else becomes the homeserver's name.
    """
    moved = [
        invitation_states.record_event(
            context.session,
            context.now,
            each,
            state,
            happened,
            by=report.by if report.by in {report.user_id, each.sender} else context.homeserver,
        )
        for each in _invitations_of(context, report)
    ]
    return OK if any(moved) else IGNORED


def _invitations_of(context: ReportContext, report: InRoom) -> Sequence[ThirdPartyInvitation]:
    """The invitations to this room with this user as the invitee; oldest first."""
    bound = (each.address for each in associations.find_by_user(context.session, report.user_id))
    addresses = {*verified_addresses.addresses_of(context.session, report.user_id), *bound}
    return context.session.scalars(
        select(ThirdPartyInvitation)
        .where(
            ThirdPartyInvitation.address.in_(addresses),
            ThirdPartyInvitation.room_id == report.room_id,
            ThirdPartyInvitation.invitee == report.user_id,
        )
        .order_by(ThirdPartyInvitation.created_at)
    ).all()


def _deactivated(context: ReportContext, report: OfUser) -> Outcome:
    """End the account. Its addresses become free, and undelivered invitations go on waiting."""
    account_ends.end_account(context.session, context.now, report.user_id)
    return OK


def _bound(context: ReportContext, report: Address) -> Outcome:
    """Store a verified address. A rejected one is not stored, so it makes nobody an agent."""
    try:
        address = context.rules.read(report.address, smtputf8=True, typed=False)
    except InvalidAddress as error:
        return Outcome("rejected", str(error.reason))
    try:
        binding.bind_verified(
            context.session,
            context.rules,
            context.now,
            policy=context.policy,
            address=address,
            user_id=report.user_id,
        )
    except (problems.WrongServer, problems.AccessEnded) as error:
        return Outcome("rejected", str(error.further["org.guichet.reason"]))
    return OK


def _unbound(context: ReportContext, report: Address) -> Outcome:
    binding.unbind_verified(
        context.session, context.now, address=report.address, user_id=report.user_id
    )
    return OK


def _refusals(context: ReportContext, report: Refusals) -> Outcome:
    by_hour: Counter[tuple[datetime, str]] = Counter()
    # In one order, so that of two reports at once none waits for the other in a circle.
    for each in sorted(report.refusals, key=lambda refused: (refused.user_id, refused.reason)):
        last_at = min(THE_BEGINNING + timedelta(milliseconds=each.last_at), context.now)
        report_models.add_refusals(
            context.session,
            user_id=each.user_id,
            reason=each.reason,
            count=each.count,
            last_at=last_at,
        )
        by_hour[last_at.replace(minute=0, second=0, microsecond=0), each.reason] += each.count
    for (hour_at, reason), count in sorted(by_hour.items()):
        report_models.add_refusal_counts(
            context.session,
            homeserver=context.homeserver,
            reason=reason,
            count=count,
            hour_at=hour_at,
        )
    return OK


KINDS: dict[str, tuple[TypeAdapter[Any], Callable[[ReportContext, Any], Outcome]]] = {
    "third_party_invited": (TypeAdapter(InvitedByMail), _invited_by_mail),
    "third_party_invite_revoked": (TypeAdapter(Revoked), _revoked),
    "third_party_invite_stands": (TypeAdapter(Stands), _stands),
    "invited": (TypeAdapter(InRoom), _invited),
    "joined": (TypeAdapter(InRoom), _joined),
    "left": (TypeAdapter(InRoom), _left),
    "deactivated": (TypeAdapter(OfUser), _deactivated),
    "bound": (TypeAdapter(Address), _bound),
    "unbound": (TypeAdapter(Address), _unbound),
    "refusals": (TypeAdapter(Refusals), _refusals),
}
