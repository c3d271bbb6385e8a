"""The state of a room as its access rules see it: members, owners, and whom it is open to."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from domain_rules.enums import StrEnum

RULE_EVENT = "im.vector.room.access_rules"
CREATE = "m.room.create"
MEMBER = "m.room.member"
POWER_LEVELS = "m.room.power_levels"
THIRD_PARTY_INVITE = "m.room.third_party_invite"
JOIN_RULES = "m.room.join_rules"
ENCRYPTION = "m.room.encryption"
HISTORY_VISIBILITY = "m.room.history_visibility"
GUEST_ACCESS = "m.room.guest_access"
TOMBSTONE = "m.room.tombstone"
SPACE_TYPE = "m.space"

FIRST_VERSION_WITH_CREATORS_ABOVE = 12
DEFAULT_STATE_LEVEL = 50
CREATOR_LEVEL = 100
IN_OR_INVITED = ("join", "invite")
SETTINGS = ("visibility", "force_unencrypted_at_creation")
MEGOLM = "m.megolm.v1.aes-sha2"
ENCRYPTION_ALGORITHMS = frozenset({MEGOLM})
"""Algorithms that encrypt; clients do not encrypt with any other value."""

Content = Mapping[str, Any]
Value = TypeVar("Value")
StateKey = tuple[str, str]


class AccessRule(StrEnum):
    """The `rule` of Tchap's access rules event; not Matrix's join rule of the same name."""

    RESTRICTED = "restricted"
    UNRESTRICTED = "unrestricted"
    DIRECT = "direct"

    @classmethod
    def parse(cls, value: object) -> "AccessRule | None":
        """The rule of this name; None for an unknown one."""
        return cls(value) if value in [rule.value for rule in cls] else None


@dataclass(frozen=True)
class People:
    """Who is a guest, and who is exempt from every rule."""

    is_guest: Callable[[str], bool]
    exempt: frozenset[str] = frozenset()

    def guests(self, user_ids: Iterable[str]) -> list[str]:
        """Those of the users who count as guests."""
        return [user_id for user_id in user_ids if self.counts_as_guest(user_id)]

    def counts_as_guest(self, user_id: str) -> bool:
        """Whether the user is a guest and not exempt."""
        return user_id not in self.exempt and self.is_guest(user_id)


@dataclass(frozen=True, slots=True)
class Member:
    """`token`: of the third-party invite that this membership came from."""

    membership: str
    sender: str
    token: str | None = None


@dataclass(frozen=True, slots=True)
class RoomState:
    """The state of a room. Times are milliseconds since the epoch.

    `listed`: in the room directory. `power_levels` is None while the room is being created.
    `used_tokens`: of third-party invites whose guest was invited and has left the room since.
    """

    version: str = "12"
    creator: str = ""
    additional_creators: frozenset[str] = frozenset()
    room_type: str | None = None
    predecessor: str | None = None
    power_levels: Content | None = None
    members: Mapping[str, Member] = field(default_factory=dict)
    third_party_invites: Mapping[str, Content] = field(default_factory=dict)
    rule_event: Content | None = None
    rule_sent_at: int = 0
    made_at: int = 0
    join_rule: str | None = None
    history: str | None = None
    guest_access: str | None = None
    encrypted: bool = False
    listed: bool = False
    used_tokens: frozenset[str] = frozenset()

    @property
    def rule(self) -> AccessRule:
        """A missing or unknown rule counts as the strictest."""
        given = AccessRule.parse((self.rule_event or {}).get("rule"))
        return given or AccessRule.RESTRICTED

    @property
    def is_open_to_guests(self) -> bool:
        return self.rule is not AccessRule.RESTRICTED

    @property
    def is_public(self) -> bool:
        """By the rule event; the join rule is another matter."""
        return (self.rule_event or {}).get("visibility") == "public"

    @property
    def is_unencrypted_for_good(self) -> bool:
        return (self.rule_event or {}).get("force_unencrypted_at_creation") is True

    @property
    def is_space(self) -> bool:
        return self.room_type == SPACE_TYPE

    @property
    def is_being_made(self) -> bool:
        """Whether the room is still being created: only its creator is in it."""
        return self.power_levels is None and set(self.members) <= {self.creator}

    @property
    def creators_above(self) -> frozenset[str]:
        """Creators who stand above all power levels."""
        if not has_creators_above(self.version):
            return frozenset()
        return self.additional_creators | {self.creator}

    def membership(self, user_id: str) -> str | None:
        """The user's membership; None if there never was any."""
        member = self.members.get(user_id)
        return member.membership if member else None

    def power(self, user_id: str) -> float:
        """What the user can really do, whatever the room version calls it."""
        if user_id in self.creators_above:
            return math.inf
        if self.power_levels is None:
            return CREATOR_LEVEL if user_id == self.creator else 0
        users = as_mapping(self.power_levels.get("users"))
        return as_level(users.get(user_id), as_level(self.power_levels.get("users_default"), 0))

    def level_of(self, event_type: str) -> int:
        """The level needed to send this state event."""
        if self.power_levels is None:
            return 0
        otherwise = as_level(self.power_levels.get("state_default"), DEFAULT_STATE_LEVEL)
        return as_level(as_mapping(self.power_levels.get("events")).get(event_type), otherwise)

    def is_owner(self, user_id: str, people: People) -> bool:
        """Whether the user may change the rule.

        Guests never may, nor moderators, however low the level was set.
        """
        if user_id in people.exempt:
            return True
        if people.is_guest(user_id):
            return False
        return self.power(user_id) >= max(self.level_of(RULE_EVENT), CREATOR_LEVEL)

    def has_guests(self, people: People) -> bool:
        """Whether a guest is in the room or invited."""
        inside = (
            user for user, member in self.members.items() if member.membership in IN_OR_INVITED
        )
        return any(people.counts_as_guest(user_id) for user_id in inside)

    def live_invitations(self) -> frozenset[str]:
        """Tokens of third-party invites that are neither revoked nor used."""
        used = {*self.used_tokens, *(member.token for member in self.members.values())}
        return frozenset(
            token for token, content in self.third_party_invites.items() if content
        ) - {token for token in used if token}


def has_creators_above(version: str) -> bool:
    """From room version 12 on, and in the experimental versions made for it (MSC4289)."""
    if version.isdecimal():
        return int(version) >= FIRST_VERSION_WITH_CREATORS_ABOVE
    return "hydra" in version


def encrypts(content: Content) -> bool:
    """Whether this encryption event makes clients encrypt."""
    algorithm = content.get("algorithm")
    return isinstance(algorithm, str) and algorithm in ENCRYPTION_ALGORITHMS


def as_mapping(value: object) -> Content:
    """The value if it is a mapping, else an empty one: clients send anything."""
    return value if isinstance(value, Mapping) else {}


def as_texts(value: object) -> list[str]:
    """The texts in a list that a client sent; anything else is left out."""
    listed = value if isinstance(value, (list, tuple)) else ()
    return [item for item in listed if isinstance(item, str)]


def additional_creators_of(creation: object) -> list[str]:
    """User IDs that the content of a create event makes creators beside its sender."""
    return as_texts(as_mapping(creation).get("additional_creators"))


def as_level(value: object, otherwise: int) -> int:
    """A power level. Old room versions also allow texts and truth values."""
    if not isinstance(value, (int, str)):
        return otherwise
    try:
        return int(value)
    except ValueError:
        return otherwise


def read_room(version: str, events: Mapping[StateKey, Any]) -> RoomState:
    """The state of a room, from state events by type and state key.

    The events need `content`, `sender` and `origin_server_ts`; Synapse's have them.
    """

    def content(event_type: str) -> Content:
        event = events.get((event_type, ""))
        return as_mapping(event.content) if event else {}

    create, rule = content(CREATE), events.get((RULE_EVENT, ""))
    levels = events.get((POWER_LEVELS, ""))
    creation = events.get((CREATE, ""))
    predecessor = as_mapping(create.get("predecessor")).get("room_id")
    room_type = create.get("type")
    return RoomState(
        version=version,
        creator=creation.sender if creation else "",
        additional_creators=frozenset(additional_creators_of(create)),
        room_type=_text(room_type),
        predecessor=_text(predecessor),
        power_levels=as_mapping(levels.content) if levels else None,
        members=EventsByStateKey(events, MEMBER, _member),
        third_party_invites=EventsByStateKey(events, THIRD_PARTY_INVITE, _content),
        rule_event=as_mapping(rule.content) if rule else None,
        rule_sent_at=_sent_at(rule),
        made_at=_sent_at(creation),
        join_rule=_text(content(JOIN_RULES).get("join_rule")),
        history=_text(content(HISTORY_VISIBILITY).get("history_visibility")),
        guest_access=_text(content(GUEST_ACCESS).get("guest_access")),
        encrypted=encrypts(content(ENCRYPTION)),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _sent_at(event: Any) -> int:
    return event.origin_server_ts if event else 0


class EventsByStateKey(Mapping[str, Value]):
    """Events of one type by state key, each read when it is looked up.

    Rooms may have thousands of members.
    """

    def __init__(
        self, events: Mapping[StateKey, Any], kind: str, read: Callable[[Any], Value]
    ) -> None:
        self._events, self._kind, self._read = events, kind, read

    def __getitem__(self, key: str) -> Value:
        return self._read(self._events[self._kind, key])

    def __iter__(self) -> Iterator[str]:
        return (key for kind, key in self._events if kind == self._kind)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _content(event: Any) -> Content:
    return as_mapping(event.content)


def _member(event: Any) -> Member:
    content = as_mapping(event.content)
    return Member(str(content.get("membership", "")), event.sender, token_of(content))


def token_of(content: Content) -> str | None:
    """The token of the third-party invite that a membership says it comes from."""
    signed = as_mapping(as_mapping(content.get("third_party_invite")).get("signed"))
    token = signed.get("token")
    return token if isinstance(token, str) else None
