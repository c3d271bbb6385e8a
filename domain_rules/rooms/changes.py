"""Judges changes of an existing room: its rule, visibility, encryption, history and upgrade."""

from typing import Any

from .power import holds_guest_power, judge_levels
from .reasons import RoomReason
from .room import (
    ENCRYPTION,
    GUEST_ACCESS,
    HISTORY_VISIBILITY,
    MEGOLM,
    RULE_EVENT,
    SETTINGS,
    AccessRule,
    Content,
    People,
    RoomState,
    encrypts,
)

# Tuples and not sets: a client may send a value that cannot be hashed.
VISIBILITIES = ("private", "public")
KNOCK_RULES = ("knock", "knock_restricted")
FOR_MEMBERS = ("shared", "invited", "joined")
WORLD_READABLE = "world_readable"


def judge_rule(
    state: RoomState, sender: str, content: Content, people: People
) -> RoomReason | None:
    """A new access rule event in an existing room."""
    if not state.is_owner(sender, people):
        return RoomReason.NOT_OWNER
    rule = AccessRule.parse(content.get("rule"))
    if rule is None:
        return RoomReason.INVALID_RULE
    return _judge_settings(state, content) or _judge_turn(state, rule, people)


def _judge_turn(state: RoomState, rule: AccessRule, people: People) -> RoomReason | None:
    if rule is state.rule:
        return None
    if AccessRule.DIRECT in {rule, state.rule}:
        return RoomReason.NEVER_DIRECT
    if rule is AccessRule.UNRESTRICTED:
        return _judge_opening(state, people)
    if state.has_guests(people):
        return RoomReason.GUESTS_INSIDE
    return RoomReason.INVITATIONS_OPEN if state.live_invitations() else None


def _judge_opening(state: RoomState, people: People) -> RoomReason | None:
    """Whether guests would gain power, or see a public room, if it were opened to them."""
    if state.is_public or state.listed:
        return RoomReason.PUBLIC_STAYS_CLOSED
    if people.guests(state.creators_above):
        return RoomReason.GUEST_POWER
    return judge_levels(AccessRule.UNRESTRICTED, state.power_levels or {}, people)


def _judge_settings(state: RoomState, content: Content) -> RoomReason | None:
    """Settings are fixed at creation; a public room may become private, step by step."""
    wanted = content.get("visibility", "private")
    if wanted not in VISIBILITIES:
        return RoomReason.SETTINGS_FINAL
    if (content.get("force_unencrypted_at_creation") is True) != state.is_unencrypted_for_good:
        return RoomReason.SETTINGS_FINAL
    if wanted == "public":
        return None if state.is_public else RoomReason.NEVER_PUBLIC
    if not state.is_public:
        return None
    if "visibility" not in content:
        return RoomReason.SETTINGS_FINAL  # left out, probably not on purpose
    return _next_step_to_private(state)


def _next_step_to_private(state: RoomState) -> RoomReason | None:
    if state.listed:
        return RoomReason.UNPUBLISH_FIRST
    if not (state.encrypted or state.is_space or state.is_unencrypted_for_good):
        return RoomReason.ENCRYPT_FIRST
    if state.history == WORLD_READABLE:
        return RoomReason.WORLD_READABLE
    return RoomReason.JOIN_RULE_FIRST if state.join_rule == "public" else None


def judge_join_rule(
    state: RoomState, sender: str, content: Content, people: People
) -> RoomReason | None:
    """Joining by link is allowed except in conversations of two.

    A public room becomes private in a fixed order (`_next_step_to_private`).
    """
    wanted = content.get("join_rule")
    if state.rule is AccessRule.DIRECT:
        if wanted == "public":
            return RoomReason.DIRECT_PRIVATE
        return RoomReason.DIRECT_NO_KNOCK if wanted in KNOCK_RULES else None
    if not state.is_public or state.join_rule != "public" or wanted == "public":
        return None
    if not state.is_owner(sender, people):
        return RoomReason.NOT_OWNER
    next_step = _next_step_to_private(state)
    in_any_order = (RoomReason.JOIN_RULE_FIRST, RoomReason.WORLD_READABLE)
    return None if next_step in in_any_order else next_step


def judge_encryption(
    state: RoomState, sender: str, content: Content, people: People
) -> RoomReason | None:
    """Encryption needs an algorithm that encrypts, and stays.

    Public rooms are not encrypted, unless they are becoming private.
    """
    if state.is_unencrypted_for_good:
        return RoomReason.NEVER_ENCRYPTED
    if not encrypts(content):
        return RoomReason.NOT_ENCRYPTING
    if not state.is_public:
        return None
    if state.listed:
        return RoomReason.UNPUBLISH_FIRST
    return None if state.is_owner(sender, people) else RoomReason.NOT_OWNER


def judge_history(content: Content, *, is_public: bool) -> RoomReason | None:
    """Who may read the history: members only, except in public rooms."""
    wanted = content.get("history_visibility")
    if wanted in FOR_MEMBERS or (wanted == WORLD_READABLE and is_public):
        return None
    return RoomReason.WORLD_READABLE


def judge_guest_access(content: Content) -> RoomReason | None:
    """Matrix's "guests" have no account. They stay outside, also where nothing is said."""
    wanted = content.get("guest_access", "forbidden")
    return None if wanted == "forbidden" else RoomReason.ANONYMOUS


def judge_naming(state: RoomState) -> RoomReason | None:
    """Conversations of two have no name, avatar or topic."""
    return RoomReason.DIRECT_NAMELESS if state.rule is AccessRule.DIRECT else None


def _looks_public(state: RoomState) -> bool:
    """Whether a room made before our module is public.

    It can be joined by link and is not encrypted, which private rooms of ours are from the start,
    except spaces and rooms asked to stay unencrypted.
    """
    is_private = "visibility" in (state.rule_event or {}) or state.is_unencrypted_for_good
    return state.join_rule == "public" and not (is_private or state.encrypted or state.is_space)


def judge_visibility(state: RoomState, wanted: str) -> RoomReason | None:
    """Publishing in the room directory; taking a room out is always accepted.

    A room whose rule does not say whether it is public counts as private. A room made before our
    module is as public as it looks, and no private room of ours can be made to look so.
    """
    if wanted != "public":
        return None
    if state.rule is AccessRule.DIRECT:
        return RoomReason.DIRECT_PRIVATE
    if state.is_open_to_guests:
        return RoomReason.PUBLIC_STAYS_CLOSED
    if state.rule_event and not (state.is_public or _looks_public(state)):
        return RoomReason.NEVER_PUBLIC
    return RoomReason.PUBLIC_UNENCRYPTED if state.is_public and state.encrypted else None


def judge_upgrade(state: RoomState, sender: str, people: People) -> RoomReason | None:
    """Judged in the old room, at its tombstone."""
    if state.rule is AccessRule.DIRECT:
        return RoomReason.DIRECT_NO_UPGRADE
    if not state.is_owner(sender, people):
        return RoomReason.OWNER_UPGRADES
    return RoomReason.GUEST_POWER if holds_guest_power(state, people) else None


def settings_to_carry(old: RoomState, new: RoomState) -> dict[str, dict[str, Any]]:
    """Settings that the new room of an upgrade still lacks: content by event type.

    Synapse copies everything but the rule, also what would be refused today or was redacted.
    """
    settings: dict[str, dict[str, Any]] = {}
    if new.rule_event is None:  # first, since people wait for it
        settings[RULE_EVENT] = _carried_rule(old)
    if old.encrypted and not new.encrypted:
        settings[ENCRYPTION] = {"algorithm": MEGOLM}
    if new.history == WORLD_READABLE and not (old.is_public or old.listed):
        settings[HISTORY_VISIBILITY] = {"history_visibility": "shared"}
    if new.guest_access not in {None, "forbidden"}:
        settings[GUEST_ACCESS] = {"guest_access": "forbidden"}
    return settings


def _carried_rule(old: RoomState) -> dict[str, Any]:
    settings = {key: (old.rule_event or {}).get(key) for key in SETTINGS}
    given = {key: value for key, value in settings.items() if value is not None}
    return {"rule": old.rule.value, **given}
