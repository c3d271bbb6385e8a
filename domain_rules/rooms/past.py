"""What a room's own past says of its rule, where what stands in it now was not judged here.

A homeserver without our module takes any change its people have the level for, and any redaction.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .room import ENCRYPTION, RULE_EVENT, AccessRule, Content, StateKey, encrypts

FOR_GOOD = (RULE_EVENT, ENCRYPTION)
"""What no redaction takes back, whoever's homeserver let it through."""


def is_doubtful(events: Mapping[StateKey, Any], is_ours: Callable[[str], bool]) -> bool:
    """Whether the past has to be asked: the rule came from elsewhere or says nothing, or encryption is none."""
    rule, encryption = (events.get((kind, "")) for kind in FOR_GOOD)
    if rule is not None and not (_rule(rule.content) and is_ours(rule.sender)):
        return True
    return encryption is not None and not encrypts(encryption.content)


def last_good(
    past: Iterable[tuple[str, Any]], is_ours: Callable[[str], bool]
) -> dict[StateKey, Any]:
    """Of the events that ever stood in the room, oldest first, with their type, those that count.

    What people of this homeserver sent was judged when they sent it.
    """
    standing: dict[StateKey, Any] = {}
    for kind, event in past:
        before = standing.get((kind, ""))
        if kind == ENCRYPTION:
            counts = encrypts(event.content)
        else:
            follows = before is None or _follows(before.content, event.content)
            counts = bool(_rule(event.content)) and (follows or is_ours(event.sender))
        if counts:
            standing[kind, ""] = event
    return standing


def _follows(before: Content, after: Content) -> bool:
    """What no owner may change: two stay two, private stays private, and readable what was made so."""
    direct = [_rule(content) is AccessRule.DIRECT for content in (before, after)]
    public = [content.get("visibility") == "public" for content in (before, after)]
    forced = [content.get("force_unencrypted_at_creation") is True for content in (before, after)]
    return direct[0] == direct[1] and public[0] >= public[1] and forced[0] == forced[1]


def _rule(content: Content) -> AccessRule | None:
    return AccessRule.of(content.get("rule"))
