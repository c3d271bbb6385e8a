"""Taking the content out of a state event changes a room as much as sending another one.

The level that Matrix asks for a redaction is that of moderators, whatever is redacted. So a redaction is judged as
if its sender sent what would be left of the event.
"""

from .events import Guichet, RoomEvent, judge_event
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

STANDING = (RULE_EVENT, ENCRYPTION, POWER_LEVELS, JOIN_RULES, HISTORY_VISIBILITY, GUEST_ACCESS)
"""What rules stand on."""
NEVER = (CREATE, THIRD_PARTY_INVITE)  # the latter is revoked, which Guichet hears of


def judge_redaction(
    state: RoomState, left: RoomEvent, people: People, guichet: Guichet
) -> RoomReason | None:
    """`left`: the redacted state event with what is left of it, sent by who redacts."""
    if left.sender in people.free or left.type == MEMBER:
        return None  # of a membership its name and picture go: moderators clean up
    if left.type in NEVER or state.power(left.sender) < state.level_of(left.type):
        return RoomReason.NOT_REDACTED
    if left.type not in STANDING:
        return None
    reason = judge_event(state, left, people, guichet)
    return RoomReason.NOT_REDACTED if reason else None
