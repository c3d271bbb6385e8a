"""Guests answer; they do not start: what a person of each class may do in conversations."""

from collections.abc import Mapping
from typing import Any

from domain_rules.enums import Word
from domain_rules.rules import AccountClass


class Action(Word):
    """Something a person asks their homeserver for."""

    ACCEPT_INVITATION = "accept_invitation"
    WRITE = "write"
    SHARE_FILE = "share_file"
    CHANGE_OWN_PROFILE = "change_own_profile"
    LEAVE = "leave"
    REPORT = "report"
    CREATE_ROOM = "create_room"
    UPGRADE_ROOM = "upgrade_room"
    INVITE = "invite"
    INVITE_BY_MAIL = "invite_by_mail"
    JOIN_UNINVITED = "join_uninvited"
    KNOCK = "knock"
    MAKE_ALIAS = "make_alias"
    PUBLISH_ROOM = "publish_room"
    SEARCH_PEOPLE = "search_people"
    HOLD_POWER = "hold_power"
    BE_CREATOR = "be_creator"


OF_GUESTS = frozenset(
    {
        Action.ACCEPT_INVITATION,
        Action.WRITE,
        Action.SHARE_FILE,
        Action.CHANGE_OWN_PROFILE,
        Action.LEAVE,
        Action.REPORT,
    }
)
STARTING = {
    "m.room.tombstone": Action.UPGRADE_ROOM,
    "m.room.third_party_invite": Action.INVITE_BY_MAIL,
    "m.room.canonical_alias": Action.MAKE_ALIAS,
}
JUDGED_EVENTS = frozenset({"m.room.create", "m.room.member", *STARTING})
INSIDE = ("invite", "join")


def may(account_class: AccountClass, action: Action) -> bool:
    """Whether this is for a person of this class. Where it may be done, the room says."""
    return account_class is AccountClass.AGENT or action in OF_GUESTS


def deed_of_creation(content: object) -> Action:
    """What the sender of a create event with this content is doing."""
    is_upgrade = isinstance(content, Mapping) and bool(content.get("predecessor"))
    return Action.UPGRADE_ROOM if is_upgrade else Action.CREATE_ROOM


def action_of_event(
    event_type: str, content: Mapping[str, Any], *, is_own: bool, membership_before: str | None
) -> Action | None:
    """What only agents do and an event would do; None for everything that is open to all.

    `is_own`: a membership event about its sender. `membership_before`: that of whom it is about.
    """
    if event_type == "m.room.create":
        return deed_of_creation(content)
    if event_type != "m.room.member":
        # Without content it takes back: what a person once gave, they may withdraw.
        return STARTING.get(event_type) if content else None
    membership = content.get("membership")
    if membership == "invite":
        return Action.INVITE
    if membership == "knock":
        return Action.KNOCK
    if membership == "join" and is_own and membership_before not in INSIDE:
        return Action.JOIN_UNINVITED
    return None


def creators_named(content: object) -> list[str]:
    """User IDs that this creation would make creators beside its sender; anything else is passed over."""
    named = content.get("additional_creators") if isinstance(content, Mapping) else None
    return _texts(named)


def invitees(request: Mapping[str, Any]) -> list[str]:
    """User IDs in a request to create a room."""
    named = request.get("invite")
    return _texts(named)


def _texts(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list | tuple) else []
