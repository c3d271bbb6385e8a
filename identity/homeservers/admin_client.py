"""Makes accounts through Synapse's admin API, and never takes over an existing account."""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from pydantic import SecretStr

from identity.core.http_client import Answer, Away, JsonClient, quote_path_segment, safe_code

PROBE_SECONDS = 3.0
THIRD_PARTY_INVITE = "m.room.third_party_invite"
MEMBERSHIPS = ("join", "invite", "leave", "ban", "knock")
NONSENSE = ""
OK = 200
NOT_FOUND = 404


class Refused(Exception):
    """The homeserver refuses: a wrong token or secret, or its own policy."""


class NameTaken(Exception):
    """Somebody took the user ID after we saw that it was free."""


class Found(Enum):
    """What exists on the homeserver under the user ID and the address of an account to be made."""

    NOTHING = "nothing"
    BEGUN = "begun"  # ours: its display name is the mark of an earlier, unfinished try
    FINISHED = "finished"  # has the address; ours only if we saw the user ID free before
    NAME_TAKEN = "name_taken"  # another account has the user ID
    ADDRESS_HELD = "address_held"  # another account has the address


@dataclass(frozen=True)
class NewAccount:
    """An account to be made, as it shall be in the end."""

    user_id: str
    display_name: str
    address: str
    password: SecretStr
    mark: str  # the display name until the account is complete: see accounts/models.py


class Connector(Protocol):
    """Makes accounts on one homeserver. All methods raise Away or Refused."""

    def holder_of(self, address: str) -> str | None:
        """The user ID of the account that has this address, None if none has."""

    def look(self, account: NewAccount) -> Found:
        """Find what exists already. Changes nothing."""

    def create(self, account: NewAccount, registered: Callable[[], None]) -> None:
        """Make an account for which `look` found NOTHING. Raises NameTaken if it exists now.

        `registered` is called once the homeserver has the account: from then on it is ours.
        """

    def finish(self, account: NewAccount) -> None:
        """Complete an account that an earlier try of ours began or finished."""

    def probe(self) -> None:
        """Check that accounts can be made now."""

    def membership(self, user_id: str, room_id: str) -> str | None:
        """A user's membership of a room (`join`, `invite`, `leave` …), None if there is none."""

    def holds_invitation(self, room_id: str, token: str) -> bool:
        """Whether the room has the m.room.third_party_invite event of this token, not revoked."""


class SynapseConnector:
    """Uses Synapse's admin API: registers by shared secret, sets address and name by token."""

    def __init__(
        self,
        base_url: str,
        *,
        registration_secret: SecretStr,
        admin_token: SecretStr,
        ca_pem: str | None = None,
        seconds: float = 10.0,
        insecure: bool = False,
    ) -> None:
        self._base_url, self._ca_pem, self._seconds = base_url, ca_pem, seconds
        self._insecure = insecure  # for tests
        self._secret, self._token = registration_secret, admin_token

    def probe(self) -> None:
        with self._talk(PROBE_SECONDS) as talk:
            _expect(self._admin(talk, "GET", "/v1/server_version"))
            _expect(self._admin(talk, "GET", "/v2/users?limit=1"))

    def membership(self, user_id: str, room_id: str) -> str | None:
        with self._talk() as talk:
            answer = _expect(
                self._admin(talk, "GET", f"/v1/users/{quote_path_segment(user_id)}/memberships")
            )
        rooms = answer.body.get("memberships")
        found = rooms.get(room_id) if isinstance(rooms, dict) else NONSENSE
        if found is not None and found not in MEMBERSHIPS:
            # Read as "no membership", a person who has joined would be invited again.
            raise Away("no memberships", sent=True)
        return str(found) if found else None

    def holds_invitation(self, room_id: str, token: str) -> bool:
        path = f"/v1/rooms/{quote_path_segment(room_id)}/state?type={THIRD_PARTY_INVITE}"
        with self._talk() as talk:
            answer = self._admin(talk, "GET", path)
        if answer.status == NOT_FOUND and answer.errcode == "M_NOT_FOUND":
            return False  # the homeserver is not in this room
        events = _expect(answer).body.get("state")
        if not isinstance(events, list):
            raise Away("no state", sent=True)
        return any(
            isinstance(event, dict)
            and (event.get("type"), event.get("state_key")) == (THIRD_PARTY_INVITE, token)
            and isinstance(event.get("content"), dict)
            and bool(event["content"].get("public_key"))
            for event in events
        )

    def holder_of(self, address: str) -> str | None:
        with self._talk() as talk:
            return self._holder_of(talk, address)

    def look(self, account: NewAccount) -> Found:
        with self._talk() as talk:
            holder = self._holder_of(talk, account.address)
            if holder not in {None, account.user_id}:
                return Found.ADDRESS_HELD
            name = self._display_name_of(talk, account.user_id)
            if name is None:
                return Found.NOTHING
            if name == account.mark:
                return Found.BEGUN
            return Found.FINISHED if holder else Found.NAME_TAKEN

    def create(self, account: NewAccount, registered: Callable[[], None]) -> None:
        with self._talk() as talk:
            self._register(talk, account)
            registered()
            self._complete(talk, account)

    def finish(self, account: NewAccount) -> None:
        with self._talk() as talk:
            # The person has chosen a new password with this try.
            self._reset_password(talk, account)
            self._complete(talk, account)

    def _talk(self, seconds: float | None = None) -> JsonClient:
        return JsonClient(
            self._base_url,
            ca_pem=self._ca_pem,
            seconds=seconds or self._seconds,
            insecure=self._insecure,
        )

    def _admin(
        self, talk: JsonClient, method: str, path: str, body: dict[str, object] | None = None
    ) -> Answer:
        return talk.call(
            method, f"/_synapse/admin{path}", token=self._token.get_secret_value(), body=body
        )

    def _holder_of(self, talk: JsonClient, address: str) -> str | None:
        answer = self._admin(talk, "GET", f"/v1/threepid/email/users/{quote_path_segment(address)}")
        if answer.status == NOT_FOUND and answer.errcode == "M_NOT_FOUND":
            return None
        holder = _expect(answer).body.get("user_id")
        if not isinstance(holder, str):
            raise Away("no user_id", sent=True)
        return holder

    def _display_name_of(self, talk: JsonClient, user_id: str) -> str | None:
        """The display name; None if the account does not exist, "" if it has no name."""
        answer = self._admin(talk, "GET", f"/v2/users/{quote_path_segment(user_id)}")
        if answer.status == NOT_FOUND and answer.errcode == "M_NOT_FOUND":
            return None
        return str(_expect(answer).body.get("displayname") or "")

    def _register(self, talk: JsonClient, account: NewAccount) -> None:
        # This fails for an existing user ID; PUT /users would set the password of its owner.
        nonce = safe_code(_expect(self._admin(talk, "GET", "/v1/register")).body.get("nonce"))
        if not nonce:
            raise Away("no nonce")
        localpart = account.user_id[1:].partition(":")[0]
        password = account.password.get_secret_value()
        mac = hmac.new(
            self._secret.get_secret_value().encode(),
            f"{nonce}\0{localpart}\0{password}\0notadmin".encode(),
            hashlib.sha1,
        )
        answer = self._admin(
            talk,
            "POST",
            "/v1/register",
            {
                "nonce": nonce,
                "username": localpart,
                "password": password,
                "displayname": account.mark,
                "admin": False,
                "mac": mac.hexdigest(),
            },
        )
        if answer.errcode in {"M_USER_IN_USE", "M_EXCLUSIVE"}:
            raise NameTaken
        token = _expect(answer).body.get("access_token")
        if isinstance(token, str):
            # Registration opens a session that nobody needs.
            talk.call("POST", "/_matrix/client/v3/logout", token=token, body={})

    def _reset_password(self, talk: JsonClient, account: NewAccount) -> None:
        password = account.password.get_secret_value()
        _expect(
            self._admin(
                talk,
                "POST",
                f"/v1/reset_password/{quote_path_segment(account.user_id)}",
                {"new_password": password, "logout_devices": True},
            )
        )

    def _complete(self, talk: JsonClient, account: NewAccount) -> None:
        # The account is ours by now. The address comes first: as long as the display name is the
        # mark, another try knows that the account is not complete.
        threepids = [{"medium": "email", "address": account.address}]
        path = f"/v2/users/{quote_path_segment(account.user_id)}"
        _expect(self._admin(talk, "PUT", path, {"threepids": threepids}))
        _expect(self._admin(talk, "PUT", path, {"displayname": account.display_name}))


def _expect(answer: Answer) -> Answer:
    if answer.status in {OK, 201}:
        return answer
    if answer.status == 429:  # noqa: PLR2004  too many requests
        raise Away("M_LIMIT_EXCEEDED")
    raise Refused(f"{answer.status} {answer.errcode}")
