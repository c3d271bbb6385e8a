"""Calls the module in a homeserver to act in rooms: invite, revoke an invitation, ask about a room.

The module acts in the name of a local user. Requests are signed with our signing key and carry a
nonce; answers carry a seal made with the homeserver's credential
(domain_rules/room_action_answers.py).
"""

import secrets
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from domain_rules import room_action_answers
from identity.core.http_client import Answer, Away, JsonClient, safe_code
from identity.core.strict_json import is_text

from .admin_client import Refused
from .breakers import Interface
from .calls import Endpoint, HomeserverCalls

PATH = "/_synapse/client/org.guichet/v1"
OK, NOT_FOUND, NOT_ALLOWED, TOO_MANY = 200, 404, 405, 429
LIFETIME = timedelta(minutes=2)
SECONDS = 15.0  # the homeserver may have to contact others that are in the room
LOOK_SECONDS = 5.0  # a person waits for the page
MAX_NAME = 80  # characters of a room's name that we show

SignObject = Callable[[Mapping[str, Any]], dict[str, Any]]
"""Adds the signer to an object and signs it with the newest signing key."""
FindCredentialHashes = Callable[[str], Collection[str]]
"""The hashes of the valid credentials of the homeserver with this name."""


class NoModule(Refused):
    """The homeserver does not have our module, or the module does not allow room actions."""


@dataclass(frozen=True)
class Room:
    """What a sender of invitations needs to know about a room and their rights in it."""

    is_joined: bool
    may_invite: bool
    is_open_to_guests: bool
    name: str | None


@dataclass(frozen=True)
class Standing:
    """A user's membership of a room (None if there is none), and whether an invitation is there."""

    membership: str | None
    holds_invitation: bool


@dataclass(frozen=True)
class RoomActions:
    """The room actions of one homeserver. All methods raise Away, Refused or NoModule."""

    server_name: str
    url: str
    sign: SignObject
    now: Callable[[], datetime]
    known_by: FindCredentialHashes
    calls: HomeserverCalls
    ca_pem: str | None = None
    insecure: bool = False
    signer: Callable[[], SignObject] | None = None
    """Gives what `sign` is, with the key read once."""
    line: JsonClient | None = None
    """A client that is open already."""

    @contextmanager
    def at_once(self) -> Iterator["RoomActions"]:
        """For several calls in a row, within moments: one connection, and every key is read once.

        After a call that raised Away it is to be left: the breaker learns of it then. Raises
        NotAdmitted.
        """
        sign = self.signer() if self.signer else self.sign
        with self.calls.talk(self._endpoint, seconds=SECONDS, one_deadline=False) as client:
            yield replace(self, sign=sign, known_by=cache(self.known_by), line=client)

    def invite(
        self, *, room_id: str, sender: str, token: str, address: str, keys: Mapping[str, Any]
    ) -> None:
        """Put a third-party invitation into the room. Repeating it changes nothing."""
        facts = {"address": address, "token": token, **keys}
        self._ask("invite", {"room_id": room_id, "sender": sender, **facts})

    def invite_user(self, *, room_id: str, sender: str, user_id: str) -> bool:
        """Invite a user ID. False if they are in the room already."""
        facts = {"room_id": room_id, "sender": sender, "user_id": user_id}
        return self._ask("invite", facts).get("membership") != "join"

    def revoke(self, *, room_id: str, token: str, sender: str) -> None:
        """Revoke an invitation, in the name of its sender or of another local user who may."""
        self._ask("revoke", {"room_id": room_id, "token": token, "sender": sender})

    def look(self, *, room_id: str, sender: str) -> Room:
        """Ask about a room and the sender's rights there."""
        answer = self._ask("room", {"room_id": room_id, "sender": sender}, seconds=LOOK_SECONDS)
        name = answer.get("name")
        return Room(
            is_joined=answer.get("joined") is True,
            may_invite=answer.get("may_invite") is True,
            is_open_to_guests=answer.get("open_to_guests") is True,
            name=name[:MAX_NAME]
            if isinstance(name, str) and name.strip() and is_text(name)
            else None,
        )

    def standing(self, *, room_id: str, user_id: str, token: str = "") -> Standing:
        """Ask for a user's membership, and with a token whether its invitation is in the room.

        Also raises Away if the homeserver does not know: it is not in the room, or just joining it.
        """
        facts = {"room_id": room_id, "user_id": user_id} | ({"token": token} if token else {})
        answer = self._ask("membership", facts, seconds=LOOK_SECONDS)
        membership = answer.get("membership")
        if answer.get("known") is not True and not token:
            raise Away("it does not know who is in this room")
        return Standing(
            membership if isinstance(membership, str) else None,
            holds_invitation=answer.get("invitation") is True,
        )

    @property
    def _endpoint(self) -> Endpoint:
        return Endpoint(
            self.server_name,
            Interface.MODULE,
            self.url,
            ca_pem=self.ca_pem,
            insecure=self.insecure,
        )

    def _ask(
        self, action: str, facts: Mapping[str, Any], *, seconds: float = SECONDS
    ) -> dict[str, Any]:
        nonce = secrets.token_urlsafe(16)
        signed = self.sign(
            {
                **facts,
                "action": action,
                "destination": self.server_name,
                "expires_ts": int((self.now() + LIFETIME).timestamp() * 1000),
                "nonce": nonce,
            }
        )
        with (
            nullcontext(self.line)
            if self.line is not None
            else self.calls.talk(self._endpoint, seconds=seconds)
        ) as client:
            answer = _call(client, f"{PATH}/{action}", signed)
        self._check(answer, action, nonce)
        if answer.status != OK:
            reason = safe_code(answer.body.get("org.guichet.reason"))
            raise Refused(reason or f"{answer.status} {answer.errcode}")
        return answer.body

    def _check(self, answer: Answer, action: str, nonce: str) -> None:
        """Raise Away unless our module there made this answer to this request.

        This holds for refusals too: a refusal ends the job for good, so nobody on the way may forge
        one.
        """
        about = {"homeserver": self.server_name, "action": action, "nonce": nonce}
        for known_by in self.known_by(self.server_name):
            if room_action_answers.is_sealed_by_module(
                answer.body, known_by=known_by, status=answer.status, **about
            ):
                return
        given = f"{answer.status} {answer.errcode}".strip()
        raise Away(f"not the answer of our module there: {given}", sent=True, status=answer.status)


def _call(client: JsonClient, path: str, body: dict[str, Any]) -> Answer:
    try:
        answer = client.call("POST", path, body=body)
    except Away as away:
        if away.status == NOT_FOUND:
            raise NoModule("no module of ours answers there") from None
        raise
    if answer.status == TOO_MANY:
        raise Away("M_LIMIT_EXCEEDED")
    if answer.status in {NOT_FOUND, NOT_ALLOWED} and answer.errcode == "M_UNRECOGNIZED":
        raise NoModule("no module of ours answers there")
    return answer
