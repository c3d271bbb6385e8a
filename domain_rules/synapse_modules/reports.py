"""Decides which events become reports to Guichet; reads and sends nothing."""

import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from domain_rules.enums import StrEnum
from domain_rules.rooms.room import THIRD_PARTY_INVITE
from domain_rules.user_ids import homeserver_of

NAMESPACE = uuid.UUID("6f6d3f1e-0e6c-4d0a-9a53-5f0a5b6b7c11")
FIRST_DELAY, MAX_DELAY = 2, 60  # seconds


class ReportKind(StrEnum):
    """What a report is about."""

    INVITED_BY_MAIL = "third_party_invited"
    REVOKED = "third_party_invite_revoked"
    STANDS = "third_party_invite_stands"  # in a room; told when Guichet has another database
    INVITED = "invited"
    JOINED = "joined"
    LEFT = "left"
    DEACTIVATED = "deactivated"
    BOUND = "bound"
    UNBOUND = "unbound"
    REFUSALS = "refusals"


class ReportResult(StrEnum):
    """What Guichet answered to a report."""

    OK = "ok"
    IGNORED = "ignored"
    REJECTED = "rejected"


@dataclass(frozen=True)
class Report:
    """One report. Those of events have the event's stream position as `place`.

    Their `id` follows from the event id, so that a second report of it is the same.
    """

    kind: ReportKind
    at_ms: int
    facts: Mapping[str, Any]
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    place: int = 0

    @property
    def sent(self) -> dict[str, Any]:
        """The JSON sent to Guichet."""
        return {"id": self.id, "kind": self.kind.value, "at": self.at_ms, **self.facts}


@dataclass(frozen=True)
class SeenEvent:
    """A state event with what was so before it.

    `before`: the membership. `by_mail`: the last invitation came by mail. `inviter`: who had sent
    the invitation by mail that this event revokes. `invites`: an invitation by mail from the user
    it is about stands in the room.
    """

    event_id: str
    type: str
    room_id: str
    sender: str
    state_key: str
    content: Mapping[str, Any]
    at_ms: int
    place: int
    before: str | None = None
    by_mail: bool = False
    inviter: str | None = None
    invites: bool = False


@dataclass(frozen=True)
class KnownAddress:
    """An address of an account as Guichet knows it: its answer, and the revision it was by."""

    result: str
    revision: int


@dataclass(frozen=True)
class StandingInvitation:
    """An invitation by mail that stands in a room. `shown`: the masked name of who is invited."""

    event_id: str
    room_id: str
    token: str
    sender: str
    shown: str
    at_ms: int


AccountAddress = tuple[str, str]
"""User ID and address."""


def report_of_event(seen: SeenEvent, *, own_name: str, is_guest: bool) -> Report | None:
    """The report for this event, None if it needs none.

    Reported are memberships of guests, of users invited by mail and, when they leave, of users who
    invited by mail; and these invitations themselves. Every homeserver reports its own users and
    the invitations they sent, whoever revokes them. `is_guest`: about the user whose membership it
    is.
    """
    if seen.type == THIRD_PARTY_INVITE:
        return _of_invitation(seen, own_name)
    kind = _kind_of_membership(seen)
    if kind is None or homeserver_of(seen.state_key) != own_name:
        return None
    if not (is_guest or seen.by_mail or (seen.invites and kind is ReportKind.LEFT)):
        return None
    facts = {"room_id": seen.room_id, "user_id": seen.state_key, "by": seen.sender}
    return _report(kind, seen, facts)


def _of_invitation(seen: SeenEvent, own_name: str) -> Report | None:
    facts = {"room_id": seen.room_id, "token": seen.state_key}
    if seen.content.get("public_key"):
        is_ours = homeserver_of(seen.sender) == own_name
        sent = facts | {"sender": seen.sender}
        return _report(ReportKind.INVITED_BY_MAIL, seen, sent) if is_ours else None
    if homeserver_of(seen.inviter or "") != own_name:
        return None
    return _report(ReportKind.REVOKED, seen, facts | {"by": seen.sender})


def reports_of_new_epoch(
    standing: Iterable[StandingInvitation], deactivated: Iterable[str], *, epoch: str, at_ms: int
) -> list[Report]:
    """What an older database of Guichet may not know. The same again in one epoch is the same."""
    found = [
        Report(
            ReportKind.STANDS,
            each.at_ms,
            {
                "room_id": each.room_id,
                "token": each.token,
                "sender": each.sender,
                "shown": each.shown,
            },
            _id_in_epoch(epoch, each.event_id),
        )
        for each in standing
    ]
    return found + [
        Report(ReportKind.DEACTIVATED, at_ms, {"user_id": user_id}, _id_in_epoch(epoch, user_id))
        for user_id in deactivated
    ]


def report_of_refusals(kept: Iterable[Any], at_ms: int) -> Report | None:
    """Enforced refusals counted by user and reason; None if there are none."""
    counted: dict[tuple[str, str], list[int]] = {}
    for one in kept:
        if one.is_enforced:
            counted.setdefault((one.user_id, one.reason), []).append(one.at_ms)
    if not counted:
        return None
    refusals = [
        {"user_id": user_id, "reason": reason, "count": len(times), "last_at": max(times)}
        for (user_id, reason), times in counted.items()
    ]
    return Report(ReportKind.REFUSALS, at_ms, {"refusals": refusals})


def report_of_address(kind: ReportKind, pair: AccountAddress, at_ms: int) -> Report:
    """The report that an address of an account was bound or unbound."""
    user_id, address = pair
    return Report(kind, at_ms, {"user_id": user_id, "address": address})


def find_differences(
    here: Collection[AccountAddress],
    heard: Mapping[AccountAddress, KnownAddress],
    *,
    waiting: Collection[AccountAddress],
    revision: int,
) -> list[tuple[ReportKind, AccountAddress]]:
    """The reports Guichet needs in order to know the addresses verified here.

    Addresses with a waiting report are left out. What Guichet rejected is offered again after the
    rules change.
    """
    there = set(here)
    found = [(ReportKind.UNBOUND, pair) for pair in sorted(heard) if pair not in there]
    for pair in sorted(there):
        known = heard.get(pair)
        is_outdated = (
            known and known.result == ReportResult.REJECTED.value and known.revision != revision
        )
        if known is None or is_outdated:
            found.append((ReportKind.BOUND, pair))
    return [(kind, pair) for kind, pair in found if pair not in waiting]


def retry_delay(failures: int) -> int:
    """Seconds until the next try after so many failures."""
    return min(MAX_DELAY, FIRST_DELAY << max(0, min(failures, 10) - 1))


def _id_in_epoch(epoch: str, name: str) -> str:
    return str(uuid.uuid5(NAMESPACE, f"{epoch} {name}"))


def _kind_of_membership(seen: SeenEvent) -> ReportKind | None:
    membership = seen.content.get("membership")
    if membership == seen.before:
        return None  # another name or picture
    if membership == "invite":
        return ReportKind.INVITED
    if membership == "join":
        return ReportKind.JOINED
    if membership in {"leave", "ban"} and seen.before in {"invite", "join"}:
        return ReportKind.LEFT
    return None


def _report(kind: ReportKind, seen: SeenEvent, facts: Mapping[str, Any]) -> Report:
    return Report(kind, seen.at_ms, facts, str(uuid.uuid5(NAMESPACE, seen.event_id)), seen.place)
