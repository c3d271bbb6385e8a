"""What only agents may do: they start conversations, guests answer."""

from collections.abc import Mapping
from typing import Any

from domain_rules.enums import StrEnum

from .room import CREATE, MEMBER, THIRD_PARTY_INVITE, TOMBSTONE


class UserAction(StrEnum):
    """Something that guests may not do; everything else they may."""

    CREATE_ROOM = "create_room"
    UPGRADE_ROOM = "upgrade_room"
    INVITE = "invite"
    INVITE_BY_MAIL = "invite_by_mail"
    JOIN_UNINVITED = "join_uninvited"
    KNOCK = "knock"
    MAKE_ALIAS = "make_alias"
    PUBLISH_ROOM = "publish_room"
    BE_CREATOR = "be_creator"


AGENT_ONLY_EVENTS = {
    TOMBSTONE: UserAction.UPGRADE_ROOM,
    THIRD_PARTY_INVITE: UserAction.INVITE_BY_MAIL,
    "m.room.canonical_alias": UserAction.MAKE_ALIAS,
}
JUDGED_EVENTS = frozenset({CREATE, MEMBER, *AGENT_ONLY_EVENTS})
INSIDE = ("invite", "join")


def action_of_creation(content: object) -> UserAction:
    """What the sender of a create event with this content is doing."""
    is_upgrade = isinstance(content, Mapping) and bool(content.get("predecessor"))
    return UserAction.UPGRADE_ROOM if is_upgrade else UserAction.CREATE_ROOM


def action_of_event(
    event_type: str, content: Mapping[str, Any], *, is_own: bool, membership_before: str | None
) -> UserAction | None:
    """The action an event stands for, if only agents may do it; None for all other events.

    `is_own`: a membership event about its sender. `membership_before`: of the user it is about.
    """
    if event_type == CREATE:
        return action_of_creation(content)
    if event_type != MEMBER:
        # An event without content takes something back, which is always allowed.
        return AGENT_ONLY_EVENTS.get(event_type) if content else None
    membership = content.get("membership")
    if membership == "invite":
        return UserAction.INVITE
    if membership == "knock":
        return UserAction.KNOCK
    if membership == "join" and is_own and membership_before not in INSIDE:
        return UserAction.JOIN_UNINVITED
    return None
