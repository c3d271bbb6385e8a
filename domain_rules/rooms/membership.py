"""Judges who comes into a room: by invitation, by link, by mail."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

from domain_rules.address_faults import InvalidAddress
from domain_rules.addresses import EmailAddress
from domain_rules.rule import AccountClass
from domain_rules.rules import Decision

from .reasons import RoomReason
from .room import AccessRule, Content, People, RoomState, as_level, as_mapping, token_of

SEATS = 2
ENTERING = frozenset({"invite", "join", "knock"})
PORTS = {"https": ":443", "http": ":80"}
Decide = Callable[[str], Decision | None]
Successors = frozenset[tuple[str, str]]  # (who left, the account their address has now)


@dataclass(frozen=True, slots=True)
class MembershipChange:
    """A membership event: `sender` changes the membership of `target`.

    `token`: of the third-party invite it comes from, if any.
    """

    sender: str
    target: str
    membership: str
    token: str | None = None

    @classmethod
    def from_content(cls, sender: str, target: str, content: Content) -> "MembershipChange":
        """From the content of an `m.room.member` event."""
        return cls(sender, target, str(content.get("membership", "")), token_of(content))


def judge_membership(
    state: RoomState,
    coming: MembershipChange,
    people: People,
    *,
    successors: Successors = frozenset(),
) -> RoomReason | None:
    """Whether this user may come in. Leaving, kicking and banning are always allowed."""
    if _is_exempt(state, coming, people):
        return None
    if state.rule is AccessRule.DIRECT:
        return _judge_seat(state, coming, successors) or _judge_guest(state, coming, people)
    if coming.membership not in ENTERING:
        return None
    return _judge_guest(state, coming, people)


def _is_exempt(state: RoomState, coming: MembershipChange, people: People) -> bool:
    if coming.sender in people.exempt or coming.target in people.exempt:
        return True
    invited = state.members.get(coming.target)
    return (
        coming.membership == "join"
        and invited is not None
        and invited.membership == "invite"
        and invited.sender in people.exempt
    )


def _judge_guest(state: RoomState, coming: MembershipChange, people: People) -> RoomReason | None:
    if coming.membership not in ENTERING or not people.counts_as_guest(coming.target):
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


def _judge_seat(
    state: RoomState, coming: MembershipChange, successors: Successors
) -> RoomReason | None:
    """A conversation of two has two seats, which belong to everybody who ever was a member.

    An open invitation by mail holds the second seat.
    """
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
    """A third-party invite must come from Guichet and find a seat.

    An empty one revokes an invitation, and is always accepted. `names`: server names of Guichet;
    `keys`: its public keys, in base64.
    """
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
    """Whether all its validity URLs point to Guichet, and one of its keys is Guichet's own."""
    listed = content.get("public_keys")
    offered = [content, *(listed if isinstance(listed, (list, tuple)) else ())]
    offered = [as_mapping(key) for key in offered]
    places = [key["key_validity_url"] for key in offered if "key_validity_url" in key]
    named = {_plain_key(key.get("public_key")) for key in offered}
    ours = {_plain_key(key) for key in keys} - {""}
    return bool(places) and all(_is_ours(place, names) for place in places) and bool(named & ours)


def _plain_key(key: object) -> str:
    """The key in one spelling: both alphabets of base64 occur, with and without padding."""
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
    """Whether Matrix itself would accept an invitation by this user, exempt or not."""
    if state.membership(inviter) != "join":
        return RoomReason.NOT_IN_ROOM
    needed = as_level((state.power_levels or {}).get("invite"), 0)
    return RoomReason.NO_RIGHT_TO_INVITE if state.power(inviter) < needed else None


def judge_invitation_by_mail(
    state: RoomState, medium: str, address: str, decide: Decide
) -> RoomReason | None:
    """Judged before anything is sent. `decide`: the decision for an address.

    A room that is open to guests accepts every valid address.
    """
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


def judge_inbound(state: RoomState, coming: MembershipChange, sent_at: int) -> RoomReason | None:
    """A membership of a user of a guests' homeserver, changed by another homeserver.

    Only events newer than the rule they break are refused: history is fetched too, from times when
    the room was open, and refusing it would split the room. `sent_at`: milliseconds.
    """
    if coming.membership not in {"invite", "join"} or state.rule_event is None:
        return None
    if sent_at < state.rule_sent_at:
        return None
    if state.rule is AccessRule.DIRECT:
        return _judge_seat(state, coming, frozenset())
    if state.is_open_to_guests or state.membership(coming.target) == "join":
        return None
    return RoomReason.CLOSED_TO_GUESTS
