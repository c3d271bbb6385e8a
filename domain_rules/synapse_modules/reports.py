"""What Guichet is told of, decided from what happened: nothing is read or sent here."""

import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from domain_rules.enums import Word

NAMESPACE = uuid.UUID("6f6d3f1e-0e6c-4d0a-9a53-5f0a5b6b7c11")
MEMBER, THIRD_PARTY_INVITE = "m.room.member", "m.room.third_party_invite"
FIRST_DELAY, MAX_DELAY = 2, 60  # seconds


class Kind(Word):
    """What a report is about."""

    INVITED_BY_MAIL = "third_party_invited"
    REVOKED = "third_party_invite_revoked"
    INVITED = "invited"
    JOINED = "joined"
    LEFT = "left"
    DEACTIVATED = "deactivated"
    BOUND = "bound"
    UNBOUND = "unbound"
    REFUSALS = "refusals"


class Told(Word):
    """What Guichet said to a report."""

    OK = "ok"
    IGNORED = "ignored"
    REJECTED = "rejected"


@dataclass(frozen=True)
class Report:
    """One report. An event's has the event's place in the stream, and an id that follows from the event's."""

    kind: Kind
    at_ms: int
    facts: Mapping[str, Any]
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    place: int = 0

    @property
    def sent(self) -> dict[str, Any]:
        """As it goes to Guichet."""
        return {"id": self.id, "kind": self.kind.value, "at": self.at_ms, **self.facts}


@dataclass(frozen=True)
class Seen:
    """A state event with what was so before it: the membership, and whether the last invitation came by mail.

    `inviter`: of a third-party invitation that stood until then, who had sent it. `invites`: whose
    membership it is has sent one here that still stands.
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
class Heard:
    """An address of an account as Guichet knows it from us, by which revision it said so."""

    told: str
    revision: int


Pair = tuple[str, str]
"""User ID and address."""


def of_event(seen: Seen, *, own_name: str, is_guest: bool) -> Report | None:
    """The report this event is worth, if it is: of guests, of who was invited by mail, of these invitations.

    Whoever invited by mail is told of when they leave. Every homeserver reports what became of its own people and of the invitations they sent, whoever
    took one back. `is_guest`: whose membership it is.
    """
    if seen.type == THIRD_PARTY_INVITE:
        return _of_invitation(seen, own_name)
    kind = _kind_of_membership(seen)
    if kind is None or server_of(seen.state_key) != own_name:
        return None
    if not (is_guest or seen.by_mail or (seen.invites and kind is Kind.LEFT)):
        return None
    facts = {"room_id": seen.room_id, "user_id": seen.state_key, "by": seen.sender}
    return _report(kind, seen, facts)


def _of_invitation(seen: Seen, own_name: str) -> Report | None:
    facts = {"room_id": seen.room_id, "token": seen.state_key}
    if seen.content.get("public_key"):
        is_ours = server_of(seen.sender) == own_name
        sent = facts | {"sender": seen.sender}
        return _report(Kind.INVITED_BY_MAIL, seen, sent) if is_ours else None
    if server_of(seen.inviter or "") != own_name:
        return None
    return _report(Kind.REVOKED, seen, facts | {"by": seen.sender})


def of_refusals(kept: Iterable[Any], at_ms: int) -> Report | None:
    """The refusals of a while, counted by person and reason. What was only logged is no refusal."""
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
    return Report(Kind.REFUSALS, at_ms, {"refusals": refusals})


def of_address(kind: Kind, pair: Pair, at_ms: int) -> Report:
    user_id, address = pair
    return Report(kind, at_ms, {"user_id": user_id, "address": address})


def differences(
    here: Collection[Pair],
    heard: Mapping[Pair, Heard],
    *,
    waiting: Collection[Pair],
    revision: int,
) -> list[tuple[Kind, Pair]]:
    """What Guichet is still to be told so that it knows the addresses there are here.

    What waits to be sent is left alone. What Guichet did not take is offered again by other rules.
    """
    there = set(here)
    found = [(Kind.UNBOUND, pair) for pair in sorted(heard) if pair not in there]
    for pair in sorted(there):
        known = heard.get(pair)
        is_outdated = known and known.told == Told.REJECTED.value and known.revision != revision
        if known is None or is_outdated:
            found.append((Kind.BOUND, pair))
    return [(kind, pair) for kind, pair in found if pair not in waiting]


def delay(failures: int) -> int:
    """Seconds until the next try, after so many in vain."""
    return min(MAX_DELAY, FIRST_DELAY << max(0, min(failures, 10) - 1))


def server_of(user_id: str) -> str:
    return user_id.partition(":")[2]


def _kind_of_membership(seen: Seen) -> Kind | None:
    membership = seen.content.get("membership")
    if membership == seen.before:
        return None  # another name or picture
    if membership == "invite":
        return Kind.INVITED
    if membership == "join":
        return Kind.JOINED
    if membership in {"leave", "ban"} and seen.before in {"invite", "join"}:
        return Kind.LEFT
    return None


def _report(kind: Kind, seen: Seen, facts: Mapping[str, Any]) -> Report:
    return Report(kind, seen.at_ms, facts, str(uuid.uuid5(NAMESPACE, seen.event_id)), seen.place)
