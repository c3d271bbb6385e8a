"""Who comes into a room: by invitation, by link, by mail."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

from domain_rules.addresses import EmailAddress, InvalidAddress
from domain_rules.rules import AccountClass, Decision

from .reasons import RoomReason
from .room import AccessRule, Content, People, RoomState, level, mapping, token_of

SEATS = 2
COMING_IN = frozenset({"invite", "join", "knock"})
PORTS = {"https": ":443", "http": ":80"}
Decide = Callable[[str], Decision | None]
Successors = frozenset[tuple[str, str]]  # (who left, the account their address has now)


@dataclass(frozen=True, slots=True)
class Coming:
    """A membership event: `sender` changes the membership of `target`."""

    sender: str
    target: str
    membership: str
    token: str | None = None

    @classmethod
    def of(cls, sender: str, target: str, content: Content) -> "Coming":
        return cls(sender, target, str(content.get("membership", "")), token_of(content))


def judge_membership(
    state: RoomState, coming: Coming, people: People, *, successors: Successors = frozenset()
) -> RoomReason | None:
    """May this person come in? Whoever goes, or is sent away, always may."""
    if _is_free(state, coming, people):
        return None
    if state.rule is AccessRule.DIRECT:
        return _judge_seat(state, coming, successors) or _judge_guest(state, coming, people)
    if coming.membership not in COMING_IN:
        return None
    return _judge_guest(state, coming, people)


def _is_free(state: RoomState, coming: Coming, people: People) -> bool:
    if coming.sender in people.free or coming.target in people.free:
        return True
    invited = state.members.get(coming.target)
    return (
        coming.membership == "join"
        and invited is not None
        and invited.membership == "invite"
        and invited.sender in people.free
    )


def _judge_guest(state: RoomState, coming: Coming, people: People) -> RoomReason | None:
    if coming.membership not in COMING_IN or not people.counts_as_guest(coming.target):
        return None
    current = state.membership(coming.target)
    if coming.membership == "join" and current == "join":
        return None  # a new name or picture
    if not state.is_open_to_guests:
        return RoomReason.CLOSED_TO_GUESTS
    if coming.membership == "knock":
        return RoomReason.GUEST_KNOCKS
    if coming.membership == "join" and current != "invite":
        return RoomReason.INVITATION_NEEDED
    return None


def _judge_seat(state: RoomState, coming: Coming, successors: Successors) -> RoomReason | None:
    """Two seats, of whoever ever sat there; an open invitation by mail holds the second."""
    if coming.membership == "leave":
        return None
    if coming.membership == "knock":
        return RoomReason.DIRECT_NO_KNOCK
    seated = {user_id for user_id, member in state.members.items() if member.membership}
    if coming.target in seated:
        return None
    seated -= {left for left, now in successors if now == coming.target and _left(state, left)}
    if len(seated) >= SEATS:
        return RoomReason.DIRECT_FULL
    waiting = state.live_invitations()
    if seated and waiting and coming.token not in waiting:
        return RoomReason.DIRECT_FULL
    return None


def _left(state: RoomState, user_id: str) -> bool:
    return state.membership(user_id) == "leave"


def judge_third_party_event(
    state: RoomState,
    token: str,
    content: Content,
    *,
    names: Collection[str],
    keys: Collection[str],
) -> RoomReason | None:
    """An empty one revokes, and always may. Any other comes from Guichet and finds a seat."""
    if not content:
        return None
    if not comes_from_guichet(content, names=names, keys=keys):
        return RoomReason.NOT_FROM_GUICHET
    if state.rule is AccessRule.DIRECT and not _has_seat_by_mail(state, token):
        return RoomReason.DIRECT_FULL
    return None


def _has_seat_by_mail(state: RoomState, token: str | None = None) -> bool:
    if len([member for member in state.members.values() if member.membership]) >= SEATS:
        return False
    return state.live_invitations() <= {token}


def comes_from_guichet(content: Content, *, names: Collection[str], keys: Collection[str]) -> bool:
    """Every place to ask whether a key is valid is ours, and one key is our long-term one."""
    listed = content.get("public_keys")
    offered = [content, *(listed if isinstance(listed, (list, tuple)) else ())]
    offered = [mapping(key) for key in offered]
    places = [key["key_validity_url"] for key in offered if "key_validity_url" in key]
    named = {_plain_key(key.get("public_key")) for key in offered}
    ours = {_plain_key(key) for key in keys} - {""}
    return bool(places) and all(_is_ours(place, names) for place in places) and bool(named & ours)


def _plain_key(key: object) -> str:
    """Both alphabets of base64, padded or not."""
    text = key if isinstance(key, str) else ""
    return text.rstrip("=").replace("-", "+").replace("_", "/")


def _is_ours(place: object, names: Collection[str]) -> bool:
    try:
        parts = urlsplit(place if isinstance(place, str) else "")
        implied = PORTS[parts.scheme]
    except (KeyError, ValueError):
        return False
    plain = {name.lower().removesuffix(implied) for name in names}
    return parts.netloc.lower().removesuffix(implied) in plain


def judge_inviter(state: RoomState, inviter: str) -> RoomReason | None:
    """Whether the room would take an invitation of theirs at all: what Matrix asks of everybody, exempt or not."""
    if state.membership(inviter) != "join":
        return RoomReason.NOT_IN_ROOM
    needed = level((state.power_levels or {}).get("invite"), 0)
    return RoomReason.NO_RIGHT_TO_INVITE if state.power(inviter) < needed else None


def judge_invitation_by_mail(
    state: RoomState, medium: str, address: str, decide: Decide
) -> RoomReason | None:
    """Before anything is sent. Rooms open to guests take every address that is one, and ask nobody about it."""
    if medium != "email":
        return RoomReason.ONLY_BY_MAIL
    try:
        EmailAddress.parse(address, smtputf8=True, typed=False)
    except InvalidAddress:
        return RoomReason.ADDRESS_UNCLEAR
    if state.rule is AccessRule.DIRECT and not _has_seat_by_mail(state):
        return RoomReason.DIRECT_FULL
    return None if state.is_open_to_guests else _judge_address(address, decide)


def _judge_address(address: str, decide: Decide) -> RoomReason | None:
    decision = decide(address)
    if decision is None or decision.homeserver is None:
        return RoomReason.ADDRESS_BELONGS_NOWHERE
    if decision.account_class is not AccountClass.AGENT:
        return RoomReason.CLOSED_TO_GUESTS
    return None


def judge_inbound(
    state: RoomState, coming: Coming, sent_at: int, *, is_guests_server: bool
) -> RoomReason | None:
    """An event of another homeserver: by its server's class alone, and only if newer than the rule it breaks.

    History is pulled too, from times when the room was open: judging that would split the room.
    """
    if coming.membership not in {"invite", "join"} or state.rule_event is None:
        return None
    if not is_guests_server or sent_at < state.rule_sent_at:
        return None
    if state.rule is AccessRule.DIRECT:
        return _judge_seat(state, coming, frozenset())
    if state.is_open_to_guests or state.membership(coming.target) == "join":
        return None
    return RoomReason.CLOSED_TO_GUESTS
