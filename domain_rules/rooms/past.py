"""Restores settings of a room that were changed where our rules were not applied.

A homeserver without our module accepts any change that the power levels allow, and any redaction.
The history of the room then says which settings count.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .room import ENCRYPTION, RULE_EVENT, AccessRule, Content, StateKey, encrypts

PERMANENT_SETTINGS = (RULE_EVENT, ENCRYPTION)
"""Settings that stay in force even if another homeserver accepted their redaction."""


def needs_history(events: Mapping[StateKey, Any], is_ours: Callable[[str], bool]) -> bool:
    """Whether the history of the room must be read before judging it.

    It must if the rule was sent from elsewhere or is not valid, or if the encryption event does not
    encrypt. `is_ours`: whether a user ID belongs to this homeserver.
    """
    rule, encryption = (events.get((kind, "")) for kind in PERMANENT_SETTINGS)
    if rule is not None and not (_rule(rule.content) and is_ours(rule.sender)):
        return True
    return encryption is not None and not encrypts(encryption.content)


def restore_settings(
    past: Iterable[tuple[str, Any]], is_ours: Callable[[str], bool]
) -> dict[StateKey, Any]:
    """The events that count, of all that ever stood in the room (type and event, oldest first).

    What users of this homeserver sent was judged when they sent it.
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
    """Whether it keeps what no owner may change: direct stays direct, private stays private."""
    direct = [_rule(content) is AccessRule.DIRECT for content in (before, after)]
    public = [content.get("visibility") == "public" for content in (before, after)]
    forced = [content.get("force_unencrypted_at_creation") is True for content in (before, after)]
    return direct[0] == direct[1] and public[0] >= public[1] and forced[0] == forced[1]


def _rule(content: Content) -> AccessRule | None:
    return AccessRule.parse(content.get("rule"))
