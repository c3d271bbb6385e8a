"""Judges a createRoom request and completes it with the settings that our rules need."""

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from .changes import KNOCK_RULES, WORLD_READABLE, judge_history
from .power import (
    MODERATOR,
    fill_levels,
    is_below_defaults,
    judge_creators,
    judge_levels,
    starting_levels,
)
from .reasons import RoomReason
from .room import (
    ENCRYPTION,
    GUEST_ACCESS,
    HISTORY_VISIBILITY,
    JOIN_RULES,
    MEGOLM,
    MEMBER,
    POWER_LEVELS,
    RULE_EVENT,
    SPACE_TYPE,
    AccessRule,
    Content,
    People,
    additional_creators_of,
    as_mapping,
    as_texts,
    encrypts,
    has_creators_above,
)

PUBLIC_PRESET, PRIVATE_PRESET, TRUSTED_PRESET = (
    "public_chat",
    "private_chat",
    "trusted_private_chat",
)


@dataclass(frozen=True)
class Creation:
    """A createRoom request of a client.

    `default_version`: the homeserver's, where the request names none. `guests_by_mail`: whether
    somebody invited by address would be a guest.
    """

    request: Content
    creator: str
    default_version: str
    people: People
    guests_by_mail: bool = False

    @property
    def version(self) -> str:
        """The room version asked for, or the default."""
        named = self.request.get("room_version")
        return named if isinstance(named, str) else self.default_version

    @property
    def initial_state(self) -> list[Content]:
        given = self.request.get("initial_state")
        return [as_mapping(event) for event in given] if isinstance(given, list) else []

    def initial(self, event_type: str) -> Content | None:
        """The content of the last initial event of this type, None if there is none.

        If there are several, Synapse takes the last.
        """
        found = None
        for event in self.initial_state:
            if event.get("type") == event_type and _is_of_the_room(event):
                found = as_mapping(event.get("content"))
        return found

    @property
    def preset(self) -> object:
        return self.request.get("preset")

    @property
    def is_direct(self) -> bool:
        """Whether it is to be a conversation of two.

        Clients set `is_direct` for every chat started with people; with several it is a private
        room.
        """
        if self.request.get("is_direct") is not True:
            return False
        asked = self.initial(RULE_EVENT) or {}
        return self.invitations <= 1 or asked.get("rule") == AccessRule.DIRECT

    @property
    def is_space(self) -> bool:
        return as_mapping(self.request.get("creation_content")).get("type") == SPACE_TYPE

    @property
    def visibility(self) -> str:
        """`public` or `private`.

        The preset of public rooms without `visibility`, as Tchap's clients send it, means public.
        """
        said = self.request.get("visibility")
        if said is None and self.preset == PUBLIC_PRESET:
            return "public"
        return "public" if said == "public" else "private"

    @property
    def history(self) -> Content | None:
        """The history visibility asked for; None for the usual one.

        Stock clients ask for a world-readable history in spaces joined by link, also in private
        ones.
        """
        asked = self.initial(HISTORY_VISIBILITY) or {}
        by_link = self.preset == PUBLIC_PRESET and self.visibility != "public"
        is_too_open = asked.get("history_visibility") == WORLD_READABLE
        return None if by_link and is_too_open else asked or None

    @property
    def join_rule(self) -> str:
        """The join rule asked for, or the one that follows from the preset."""
        named = (self.initial(JOIN_RULES) or {}).get("join_rule")
        if isinstance(named, str):
            return named
        is_public = self.preset == PUBLIC_PRESET or (
            self.preset is None and self.visibility == "public"
        )
        return "public" if is_public else "invite"

    @property
    def rule(self) -> AccessRule | None:
        """The rule asked for, or the one that follows; None if an unknown one was asked for."""
        asked = self.initial(RULE_EVENT)
        if asked is not None:
            return AccessRule.parse(asked.get("rule"))
        if self.is_direct:
            return AccessRule.DIRECT
        if self.request.get("is_direct") is True and self.has_guests:
            return AccessRule.UNRESTRICTED
        return AccessRule.RESTRICTED

    @property
    def invited(self) -> list[str]:
        return as_texts(self.request.get("invite"))

    @property
    def invitations(self) -> int:
        """How many people are invited, by user ID or by address."""
        return len(set(self.invited)) + len(invitations_by_mail(self.request))

    @property
    def has_guests(self) -> bool:
        """Whether a guest is among those invited."""
        return self.guests_by_mail or bool(self.people.guests(self.invited))

    @property
    def is_trusted(self) -> bool:
        """Whether those invited get the creator's power: not with a guest among them."""
        return self.preset == TRUSTED_PRESET and not self.people.guests(self.invited)

    @property
    def creators(self) -> set[str]:
        """Everybody who will be a creator of the room."""
        named = additional_creators_of(self.request.get("creation_content"))
        return {self.creator, *named, *(self.invited if self.is_trusted else ())}

    @property
    def requested_levels(self) -> Content:
        """From the initial state, else the override; Synapse looks at them in this order."""
        given = self.initial(POWER_LEVELS)
        return (
            as_mapping(self.request.get("power_level_content_override")) if given is None else given
        )

    @property
    def levels(self) -> dict[str, Any]:
        """The requested power levels, completed."""
        barred = self.creators if has_creators_above(self.version) else ()
        return fill_levels(self.requested_levels, self.usual_levels, without=barred)

    @property
    def usual_levels(self) -> dict[str, Any]:
        """The power levels where the request names none."""
        trusted = self.invited if self.is_trusted else ()
        invite = 0 if self.preset == PUBLIC_PRESET else MODERATOR
        return starting_levels(self.version, self.creator, trusted=trusted, invite=invite)

    @property
    def is_encrypted(self) -> bool:
        """Every private room is, except spaces and rooms asked to stay unencrypted."""
        asked = (self.initial(RULE_EVENT) or {}).get("force_unencrypted_at_creation") is True
        return not (
            self.visibility == "public"
            or self.is_space
            or (asked and self.preset == PRIVATE_PRESET)
        )


def judge_creation(creation: Creation) -> RoomReason | None:
    """Whether the room may be created as asked."""
    content = as_mapping(creation.request.get("creation_content"))
    return (
        judge_creators(content, creation.creator, creation.people)
        or _judge_rule(creation)
        or _judge_settings(creation)
        or _judge_people(creation)
        or _judge_levels(creation)
    )


def _judge_rule(creation: Creation) -> RoomReason | None:
    rule = creation.rule
    if rule is None:
        return RoomReason.INVALID_RULE
    if creation.is_space and (creation.is_direct or rule is AccessRule.DIRECT):
        return RoomReason.SPACE_DIRECT
    if creation.is_direct != (rule is AccessRule.DIRECT):
        return RoomReason.DIRECT_MISMATCH
    if rule is AccessRule.DIRECT:
        return _judge_two(creation)
    if rule is AccessRule.UNRESTRICTED and creation.visibility == "public":
        return RoomReason.PUBLIC_STAYS_CLOSED
    return None


def _judge_two(creation: Creation) -> RoomReason | None:
    """A conversation of two can be neither found nor entered by others."""
    is_visible = creation.visibility == "public" or creation.preset == PUBLIC_PRESET
    if is_visible or creation.join_rule == "public":
        return RoomReason.DIRECT_PRIVATE
    return RoomReason.DIRECT_NO_KNOCK if creation.join_rule in KNOCK_RULES else None


def _judge_settings(creation: Creation) -> RoomReason | None:
    asked = creation.initial(RULE_EVENT) or {}
    is_public = creation.visibility == "public"
    if "visibility" in asked and asked["visibility"] != creation.visibility:
        return RoomReason.VISIBILITY_MISMATCH
    encryption = creation.initial(ENCRYPTION)
    if encryption is not None and is_public:
        return RoomReason.PUBLIC_UNENCRYPTED
    if encryption and not encrypts(encryption):
        return RoomReason.NOT_ENCRYPTING
    return judge_history(creation.history, is_public=is_public) if creation.history else None


def _judge_people(creation: Creation) -> RoomReason | None:
    if any(event.get("type") == MEMBER for event in creation.initial_state):
        return RoomReason.INVITE_APART
    guests = creation.people.guests(creation.invited)
    if guests and creation.rule is AccessRule.RESTRICTED:
        return RoomReason.CLOSED_TO_GUESTS
    if creation.rule is AccessRule.DIRECT and creation.invitations > 1:
        return RoomReason.DIRECT_FULL
    return None


def _judge_levels(creation: Creation) -> RoomReason | None:
    if is_below_defaults(creation.requested_levels, creation.usual_levels):
        return RoomReason.LEVELS_TOO_LOW
    rule = creation.rule or AccessRule.RESTRICTED
    return judge_levels(rule, creation.levels, creation.people)


def complete_request(creation: Creation) -> dict[str, Any]:
    """The request with rule, levels, encryption and history visibility filled in."""
    request: dict[str, Any] = deepcopy(dict(creation.request))
    asked = creation.initial(RULE_EVENT) or {}
    rule = creation.rule or AccessRule.RESTRICTED
    ours: dict[str, Content] = {
        RULE_EVENT: {**asked, "rule": rule.value, "visibility": creation.visibility}
    }
    if creation.is_encrypted and not encrypts(creation.initial(ENCRYPTION) or {}):
        ours[ENCRYPTION] = {"algorithm": MEGOLM}
    # Synapse's presets allow it, and clients ask for it in every room they create.
    ours[GUEST_ACCESS] = {"guest_access": "forbidden"}
    if not creation.history:
        wanted = creation.initial(HISTORY_VISIBILITY)
        seen = "shared" if wanted or creation.visibility == "public" else "invited"
        ours[HISTORY_VISIBILITY] = {"history_visibility": seen}
    if creation.initial(POWER_LEVELS) is not None:
        ours[POWER_LEVELS] = creation.levels
    else:
        request["power_level_content_override"] = creation.levels
    # There is one of each of ours: what the client sent for it is left out.
    types = tuple(ours)
    request["initial_state"] = [
        deepcopy(dict(event))
        for event in creation.initial_state
        if event.get("type") not in types or not _is_of_the_room(event)
    ] + [
        {"type": event_type, "state_key": "", "content": deepcopy(dict(content))}
        for event_type, content in ours.items()
    ]
    request["visibility"] = creation.visibility
    if creation.preset == TRUSTED_PRESET and not creation.is_trusted:
        request["preset"] = PRIVATE_PRESET
    return request


def _is_of_the_room(event: Content) -> bool:
    """Whether the state key is empty, as Synapse reads it; null means no state event."""
    return bool(event.get("state_key", "") == "")


def invitations_by_mail(creation_request: Content) -> list[Content]:
    """The invitations by address of a request, each as the client wrote it."""
    listed = creation_request.get("invite_3pid")
    return [as_mapping(each) for each in listed] if isinstance(listed, list) else []


def users_named_in(creation_request: Content, creator: str) -> Iterable[str]:
    """Everybody named in a request; before a refusal they are checked for exemption."""
    named = additional_creators_of(creation_request.get("creation_content"))
    return {creator, *as_texts(creation_request.get("invite")), *named}
