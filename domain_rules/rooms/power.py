"""Power levels: what a new room starts with, and that guests hold none."""

from collections.abc import Iterable, Mapping
from typing import Any

from .reasons import RoomReason
from .room import (
    CREATOR_LEVEL,
    ENCRYPTION,
    GUEST_ACCESS,
    HISTORY_VISIBILITY,
    JOIN_RULES,
    POWER_LEVELS,
    RULE_EVENT,
    TOMBSTONE,
    AccessRule,
    Content,
    People,
    RoomState,
    additional_creators_of,
    as_level,
    as_mapping,
    has_creators_above,
)

MODERATOR = 50
OWNER = 100
# Live location and call membership (MSC3672, MSC3401): all members send these about themselves.
EVENTS_FOR_EVERYBODY = (
    "m.beacon_info",
    "org.matrix.msc3672.beacon_info",
    "m.call.member",
    "org.matrix.msc3401.call.member",
)

# What the rules depend on, and what removes others from a room: never within a guest's reach.
ACTIONS_OUT_OF_REACH = {"state_default": 50, "ban": 50, "kick": 50, "redact": 50, "invite": 0}
"""The level is the one Matrix assumes where the event names none."""
EVENTS_OUT_OF_REACH = (
    *(RULE_EVENT, POWER_LEVELS, ENCRYPTION, JOIN_RULES, HISTORY_VISIBILITY, GUEST_ACCESS),
    *(TOMBSTONE, "m.room.server_acl", "m.room.policy"),
)


def starting_levels(
    version: str, creator: str, *, trusted: Iterable[str] = (), invite: int = MODERATOR
) -> dict[str, Any]:
    """The power levels of a new room.

    From room version 12 creators must not be listed in `users`. The tombstone stays within reach of
    owners.
    """
    named = [] if has_creators_above(version) else [creator, *trusted]
    return {
        "users": dict.fromkeys(named, CREATOR_LEVEL),
        "users_default": 0,
        "events_default": 0,
        "state_default": OWNER,
        "invite": invite,
        "ban": MODERATOR,
        "kick": MODERATOR,
        "redact": MODERATOR,
        "events": {
            "m.room.name": MODERATOR,
            "m.room.canonical_alias": MODERATOR,
            "m.room.avatar": MODERATOR,
            "m.room.power_levels": OWNER,
            "m.room.history_visibility": OWNER,
            "m.room.tombstone": OWNER,
            "m.room.server_acl": OWNER,
            "m.room.encryption": OWNER,
            RULE_EVENT: OWNER,
            **dict.fromkeys(EVENTS_FOR_EVERYBODY, 0),
        },
    }


def fill_levels(
    wanted: Content, otherwise: Content, *, without: Iterable[str] = ()
) -> dict[str, Any]:
    """The wanted levels, completed from `otherwise`, also inside mappings.

    `without`: user IDs that are removed from `users`.
    """
    whole = _merged(wanted, otherwise)
    barred = set(without)
    users = as_mapping(whole.get("users"))
    whole["users"] = {user: power for user, power in users.items() if user not in barred}
    return whole


def _merged(wanted: Content, otherwise: Content) -> dict[str, Any]:
    merged: dict[str, Any] = {**otherwise, **wanted}
    for key, fallback in otherwise.items():
        given = wanted.get(key)
        if isinstance(fallback, Mapping) and isinstance(given, Mapping):
            merged[key] = _merged(given, fallback)
    return merged


def is_below_defaults(wanted: Content, otherwise: Content) -> bool:
    """Whether the levels are lower than a room needs to keep its rule."""
    floors = {key: otherwise[key] for key in ("invite", "state_default")}
    return any(as_level(wanted.get(key), floor) < floor for key, floor in floors.items())


def judge_levels(
    rule: AccessRule,
    content: Content,
    people: People,
    *,
    guests_inside: bool = False,
    before: Content | None = None,
) -> RoomReason | None:
    """Whether guests would gain power by these levels.

    Under every rule guests stay at the default level, and the default allows nothing of weight.
    Lower is muting, and allowed. `guests_inside`: guests are in a closed room, from a time when it
    was open or they were agents. `before`: the levels to be replaced. What guests have by them may
    stay or become less, so that older rooms can be corrected step by step, as clients do.
    """
    had: Content = before or {}
    users_default, had_default = (as_level(each.get("users_default"), 0) for each in (content, had))
    stays = before is not None and users_default == had_default
    if rule is AccessRule.UNRESTRICTED and users_default != 0 and not stays:
        return RoomReason.USERS_DEFAULT
    held = _above_default(had)
    for user_id, power in _above_default(content).items():
        if power > held.get(user_id, users_default) and people.counts_as_guest(user_id):
            return RoomReason.GUEST_POWER
    if rule is AccessRule.RESTRICTED and not guests_inside:
        return None
    if users_default > max(0, had_default):
        return RoomReason.USERS_DEFAULT
    reached = set() if before is None else _reached(before)
    return RoomReason.LEVELS_TOO_LOW if _reached(content) - reached else None


def _above_default(content: Content) -> dict[str, int]:
    """Users with more than the default. What is not a number counts as the maximum."""
    users_default = as_level(content.get("users_default"), 0)
    listed = as_mapping(content.get("users")).items()
    powers = {user_id: as_level(power, CREATOR_LEVEL) for user_id, power in listed}
    return {user_id: power for user_id, power in powers.items() if power > users_default}


def _reached(content: Content) -> set[str]:
    """Which of the actions and events out of a guest's reach everybody has by these levels."""
    needed = {act: as_level(content.get(act), usual) for act, usual in ACTIONS_OUT_OF_REACH.items()}
    listed = as_mapping(content.get("events"))
    needed |= {kind: as_level(listed[kind], 0) for kind in EVENTS_OUT_OF_REACH if kind in listed}
    users_default = as_level(content.get("users_default"), 0)
    return {act for act, power in needed.items() if power <= users_default}


def judge_creators(create: Content, sender: str, people: People) -> RoomReason | None:
    """From room version 12 creators stand above all levels, so no guest may be one."""
    if people.guests(additional_creators_of(create)):
        return RoomReason.GUEST_AS_CREATOR
    return RoomReason.GUEST_CREATES if people.counts_as_guest(sender) else None


def holds_guest_power(state: RoomState, people: People) -> bool:
    """Whether a guest has more than the default, by the levels or as creator."""
    if people.guests(state.creators_above):
        return True
    return judge_levels(state.rule, state.power_levels or {}, people) is RoomReason.GUEST_POWER
