"""Our module's desk in a homeserver: it puts invitations into rooms in the name of who invites, and empties them."""

import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from domain_rules import room_action_answers as desk_answers
from identity.core.http_client import Answer, Away, JsonClient, code
from identity.core.strict_json import is_text

from .admin_client import Refused

PATH = "/_synapse/client/org.guichet/v1"
OK, NOT_FOUND, NOT_ALLOWED, TOO_MANY = 200, 404, 405, 429
LIFETIME = timedelta(minutes=2)
SECONDS = 15.0  # the homeserver may have to tell others that are in the room
LOOK_SECONDS = 5.0  # somebody waits for the page
MAX_NAME = 80  # characters of a room's name that we repeat

Sign = Callable[[Mapping[str, Any]], dict[str, Any]]
"""Names the signer in an object, and signs it with the long-term key that signs now."""
KnownBy = Callable[[str], Collection[str]]
"""The hashes of the credentials that are good now, of the homeserver of this name."""


class NoModule(Refused):
    """The homeserver has no module of ours, or its desk is closed."""


@dataclass(frozen=True)
class Room:
    """What the homeserver says of a room and of who wants to invite there."""

    is_joined: bool
    may_invite: bool
    is_open_to_guests: bool
    name: str | None


@dataclass(frozen=True)
class Standing:
    """Who somebody is in a room (None: never invited), and whether an invitation by mail stands there."""

    membership: str | None
    holds_invitation: bool


@dataclass(frozen=True)
class RoomActions:
    """The desk of one homeserver. Everything raises Away, Refused or NoModule."""

    server_name: str
    url: str
    sign: Sign
    now: Callable[[], datetime]
    known_by: KnownBy
    ca_pem: str | None = None
    insecure: bool = False

    def invite(
        self, *, room_id: str, sender: str, token: str, address: str, keys: Mapping[str, Any]
    ) -> None:
        """Put the invitation into the room; the same once more changes nothing."""
        facts = {"address": address, "token": token, **keys}
        self._ask("invite", {"room_id": room_id, "sender": sender, **facts})

    def invite_user(self, *, room_id: str, sender: str, user_id: str) -> bool:
        """Invite somebody by user ID. False: they are in the room already."""
        asked = {"room_id": room_id, "sender": sender, "user_id": user_id}
        return self._ask("invite", asked).get("membership") != "join"

    def revoke(self, *, room_id: str, token: str, sender: str) -> None:
        """Empty the invitation's event, in the name of its sender or of somebody else there who may."""
        self._ask("revoke", {"room_id": room_id, "token": token, "sender": sender})

    def look(self, *, room_id: str, sender: str) -> Room:
        """The room, as far as the sender of invitations needs to know it."""
        told = self._ask("room", {"room_id": room_id, "sender": sender}, seconds=LOOK_SECONDS)
        name = told.get("name")
        return Room(
            is_joined=told.get("joined") is True,
            may_invite=told.get("may_invite") is True,
            is_open_to_guests=told.get("open_to_guests") is True,
            name=name[:MAX_NAME]
            if isinstance(name, str) and name.strip() and is_text(name)
            else None,
        )

    def standing(self, *, room_id: str, user_id: str, token: str = "") -> Standing:
        """Raises Away, too, where the homeserver cannot tell: it is not in the room, or just joining it."""
        asked = {"room_id": room_id, "user_id": user_id} | ({"token": token} if token else {})
        told = self._ask("membership", asked, seconds=LOOK_SECONDS)
        membership = told.get("membership")
        if told.get("known") is not True and not token:
            raise Away("it does not know who is in this room")
        return Standing(
            membership if isinstance(membership, str) else None,
            holds_invitation=told.get("invitation") is True,
        )

    def _ask(
        self, what: str, facts: Mapping[str, Any], *, seconds: float = SECONDS
    ) -> dict[str, Any]:
        letter = secrets.token_urlsafe(16)
        signed = self.sign(
            {
                **facts,
                "action": what,
                "destination": self.server_name,
                "expires_ts": int((self.now() + LIFETIME).timestamp() * 1000),
                "nonce": letter,
            }
        )
        with JsonClient(
            self.url,
            ca_pem=self.ca_pem,
            seconds=seconds,
            insecure=self.insecure,
        ) as talk:
            answer = _call(talk, f"{PATH}/{what}", signed)
        self._check(answer, what, letter)
        if answer.status != OK:
            reason = code(answer.body.get("org.guichet.reason"))
            raise Refused(reason or f"{answer.status} {answer.errcode}")
        return answer.body

    def _check(self, answer: Answer, what: str, letter: str) -> None:
        """Raises Away for what is not from our module there: who knows what was done; it is asked again later.

        A refusal too: it ends the errand for good, so nobody on the way may make one.
        """
        about = {"homeserver": self.server_name, "action": what, "letter": letter}
        for known_by in self.known_by(self.server_name):
            if desk_answers.is_marked(
                answer.body, known_by=known_by, status=answer.status, **about
            ):
                return
        told = f"{answer.status} {answer.errcode}".strip()
        raise Away(f"not the answer of our module there: {told}", sent=True, status=answer.status)


def _call(talk: JsonClient, path: str, body: dict[str, Any]) -> Answer:
    try:
        answer = talk.call("POST", path, body=body)
    except Away as away:
        if away.status == NOT_FOUND:
            raise NoModule("no module of ours answers there") from None
        raise
    if answer.status == TOO_MANY:
        raise Away("M_LIMIT_EXCEEDED")
    if answer.status in {NOT_FOUND, NOT_ALLOWED} and answer.errcode == "M_UNRECOGNIZED":
        raise NoModule("no module of ours answers there")
    return answer
