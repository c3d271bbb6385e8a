"""Judges one state event before it is sent or redacted, by the rule of its type."""

from collections.abc import Callable
from dataclasses import dataclass

from .changes import (
    judge_encryption,
    judge_guest_access,
    judge_history,
    judge_join_rule,
    judge_naming,
    judge_rule,
    judge_upgrade,
)
from .membership import MembershipChange, Successors, judge_membership, judge_third_party_event
from .power import judge_creators, judge_levels
from .reasons import RoomReason
from .room import (
    CREATE,
    ENCRYPTION,
    GUEST_ACCESS,
    HISTORY_VISIBILITY,
    JOIN_RULES,
    MEMBER,
    POWER_LEVELS,
    RULE_EVENT,
    THIRD_PARTY_INVITE,
    TOMBSTONE,
    AccessRule,
    Content,
    People,
    RoomState,
)


@dataclass(frozen=True)
class GuichetIdentity:
    """How third-party invites of Guichet are recognised, and who takes over whose seat.

    `names`: server names. `keys`: public keys in base64. `successors`: see `membership`.
    """

    names: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()
    successors: Successors = frozenset()


@dataclass(frozen=True)
class RoomEvent:
    """A state event that somebody wants to send."""

    type: str
    sender: str
    state_key: str
    content: Content

    @property
    def concerned(self) -> set[str]:
        """User IDs of those who may be exempt."""
        return {self.sender, self.state_key} if self.type == MEMBER else {self.sender}


Judge = Callable[[RoomState, RoomEvent, People, GuichetIdentity], RoomReason | None]


def judge_event(
    state: RoomState, event: RoomEvent, people: People, guichet: GuichetIdentity
) -> RoomReason | None:
    """The reason for a refusal, None if the event may be sent.

    While a room is being created its rule is not in the state yet; it was judged with the request.
    """
    if event.sender in people.exempt:
        return None
    judge = JUDGES.get(event.type)
    if judge is None:
        return None
    if state.is_being_made and event.sender == state.creator and event.type not in FROM_THE_START:
        return None
    return judge(state, event, people, guichet)


def _member(
    state: RoomState, event: RoomEvent, people: People, guichet: GuichetIdentity
) -> RoomReason | None:
    if state.is_being_made and event.sender == event.state_key == state.creator:
        return None
    coming = MembershipChange.from_content(event.sender, event.state_key, event.content)
    return judge_membership(state, coming, people, successors=guichet.successors)


def _levels(
    state: RoomState, event: RoomEvent, people: People, _guichet: GuichetIdentity
) -> RoomReason | None:
    rule = AccessRule.RESTRICTED if state.is_being_made else state.rule
    return judge_levels(
        rule,
        event.content,
        people,
        guests_inside=state.has_guests(people),
        before=state.power_levels,
    )


def _naming(
    state: RoomState, _event: RoomEvent, _people: People, _guichet: GuichetIdentity
) -> RoomReason | None:
    return judge_naming(state)


JUDGES: dict[str, Judge] = {
    CREATE: lambda _, event, people, _guichet: judge_creators(event.content, event.sender, people),
    MEMBER: _member,
    THIRD_PARTY_INVITE: lambda state, event, _, guichet: judge_third_party_event(
        state, event.state_key, event.content, names=guichet.names, keys=guichet.keys
    ),
    POWER_LEVELS: _levels,
    # An event with a state key is not the room's rule.
    RULE_EVENT: lambda state, event, people, _: (
        None if event.state_key else judge_rule(state, event.sender, event.content, people)
    ),
    JOIN_RULES: lambda state, event, people, _: judge_join_rule(
        state, event.sender, event.content, people
    ),
    ENCRYPTION: lambda state, event, people, _: judge_encryption(
        state, event.sender, event.content, people
    ),
    HISTORY_VISIBILITY: lambda state, event, _, _guichet: judge_history(
        event.content, is_public=state.is_public
    ),
    GUEST_ACCESS: lambda _, event, _people, _guichet: judge_guest_access(event.content),
    "m.room.name": _naming,
    "m.room.avatar": _naming,
    "m.room.topic": _naming,
    TOMBSTONE: lambda state, event, people, _: judge_upgrade(state, event.sender, people),
}
# Judged without the rule, also while the room is being created.
FROM_THE_START = frozenset({CREATE, MEMBER, THIRD_PARTY_INVITE, POWER_LEVELS})
# On which the rules depend.
PROTECTED_EVENTS = (
    *(RULE_EVENT, ENCRYPTION, POWER_LEVELS, JOIN_RULES, HISTORY_VISIBILITY, GUEST_ACCESS),
)
# A third-party invite is revoked instead, which Guichet notices.
NEVER_REDACTED = (CREATE, THIRD_PARTY_INVITE)


def judge_redaction(
    state: RoomState, left: RoomEvent, people: People, guichet: GuichetIdentity
) -> RoomReason | None:
    """Redactions of state events change a room as much as new events do.

    Matrix asks only for the moderators' level, whatever is redacted. So a redaction is judged as if
    its sender sent what would be left of the event. `left`: the redacted state event with what is
    left of it, sent by whoever redacts.
    """
    if left.sender in people.exempt or left.type == MEMBER:
        return None  # only name and avatar are lost: moderators may remove them
    if left.type in NEVER_REDACTED or state.power(left.sender) < state.level_of(left.type):
        return RoomReason.NOT_REDACTED
    if left.type not in PROTECTED_EVENTS:
        return None
    reason = judge_event(state, left, people, guichet)
    return RoomReason.NOT_REDACTED if reason else None
