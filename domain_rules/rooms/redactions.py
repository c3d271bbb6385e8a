"""Judges redactions of state events, which change a room as much as new events do.

Matrix asks only for the moderators' level, whatever is redacted. So a redaction is judged as if its
sender sent what would be left of the event.
"""

from .events import GuichetIdentity, RoomEvent, judge_event
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
    People,
    RoomState,
)

PROTECTED_EVENTS = (
    RULE_EVENT,
    ENCRYPTION,
    POWER_LEVELS,
    JOIN_RULES,
    HISTORY_VISIBILITY,
    GUEST_ACCESS,
)
"""Events on which the rules depend."""
NEVER_REDACTED = (
    CREATE,
    THIRD_PARTY_INVITE,
)  # a third-party invite is revoked instead, which Guichet notices


def judge_redaction(
    state: RoomState, left: RoomEvent, people: People, guichet: GuichetIdentity
) -> RoomReason | None:
    """`left`: the redacted state event with what is left of it, sent by whoever redacts."""
    if left.sender in people.exempt or left.type == MEMBER:
        return None  # only name and avatar are lost: moderators may remove them
    if left.type in NEVER_REDACTED or state.power(left.sender) < state.level_of(left.type):
        return RoomReason.NOT_REDACTED
    if left.type not in PROTECTED_EVENTS:
        return None
    reason = judge_event(state, left, people, guichet)
    return RoomReason.NOT_REDACTED if reason else None
