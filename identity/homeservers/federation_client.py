"""Federation API calls to registered homeservers: OpenID tokens, keys, X-Matrix signatures.

Homeservers that are not registered are never called.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from domain_rules.user_ids import homeserver_in
from identity.core.http_client import Away, JsonClient
from identity.core.signatures import NotSigned, verify
from identity.problems import (
    HomeserverSilent,
    NotAllowed,
    NotOfFederation,
    OpenIdRefused,
    WrongOwner,
)

OK, UNAUTHORIZED = 200, 401
SECONDS = 10.0  # for all calls together
ASK_AGAIN = timedelta(seconds=60)  # before the keys of the same homeserver are fetched again
MAX_KEY_AGE = timedelta(days=7)  # whatever `valid_until_ts` says
# X-Matrix: name=value or name="value", separated by commas, in any order.
PARAMETER = re.compile(
    r'\s*([0-9A-Za-z_-]{1,30})\s*=\s*(?:"([^"\\]{0,500})"|([^\s",]{0,500}))\s*(?:,|$)'
)
MAX_HEADER = 2000  # characters
MAX_KEYS = 50


@dataclass(frozen=True)
class FederationEndpoint:
    """Where a registered homeserver answers the federation API."""

    server_name: str
    url: str
    ca_pem: str | None = None
    insecure: bool = False  # the certificate is not checked: for tests


@dataclass(frozen=True)
class KeyRing:
    """The keys a homeserver publishes, by key ID. `answered`: False if it could not be asked."""

    asked_at: datetime
    good_until: datetime
    keys: Mapping[str, str]
    answered: bool = True


class Federation:
    """Calls registered homeservers and checks their signatures; keeps their keys in memory.

    `find` returns the endpoint of a registered homeserver by its server name.
    """

    def __init__(
        self, find: Callable[[str], FederationEndpoint | None], now: Callable[[], datetime]
    ) -> None:
        self._find, self._now = find, now
        self._rings: dict[str, KeyRing] = {}

    def talk(self, server_name: str, *, seconds: float = SECONDS) -> JsonClient:
        """A client for this homeserver. Raises NotOfFederation."""
        endpoint = self._find(server_name)
        if endpoint is None:
            raise NotOfFederation
        return JsonClient(
            endpoint.url, ca_pem=endpoint.ca_pem, seconds=seconds, insecure=endpoint.insecure
        )

    def owner_of(self, openid_token: str, *, server_name: str) -> str:
        """The user ID an OpenID token belongs to (federation API, `openid/userinfo`).

        Raises NotOfFederation, OpenIdRefused, WrongOwner, HomeserverSilent.
        """
        path = f"/_matrix/federation/v1/openid/userinfo?access_token={quote(openid_token, safe='')}"
        try:
            with self.talk(server_name) as talk:
                answer = talk.call("GET", path)
        except Away:
            raise HomeserverSilent from None
        if answer.status == UNAUTHORIZED:
            raise OpenIdRefused
        if answer.status != OK:
            raise HomeserverSilent
        user_id = answer.body.get("sub")
        if not isinstance(user_id, str):
            raise HomeserverSilent
        if homeserver_in(user_id) != server_name:
            raise WrongOwner
        return user_id

    def verify_x_matrix(
        self,
        authorization: str,
        *,
        method: str,
        uri: str,
        content: Mapping[str, Any],
        our_names: Collection[str],
    ) -> str:
        """The server name of the homeserver that signed this request (X-Matrix authentication).

        `uri`: the path and query as they were signed, without a prefix added by a proxy. Raises
        NotAllowed, NotOfFederation, and HomeserverSilent if its keys cannot be fetched.
        """
        parameters = read_x_matrix(authorization)
        origin, key_id, signature = (parameters.get(name, "") for name in ("origin", "key", "sig"))
        if not (origin and key_id and signature):
            raise NotAllowed("This Authorization header is not X-Matrix.")
        destination = parameters.get("destination")
        if destination is not None and destination not in our_names:
            raise NotAllowed("This request was signed for another server.")
        public_key = self._key(origin, key_id)
        facts = {
            "method": method,
            "uri": uri,
            "origin": origin,
            "content": content,
            "signatures": {origin: {key_id: signature}},
        }
        for name in [destination] if destination else our_names:
            # For identity servers Synapse signs `destination_is`; the specification says
            # `destination`.
            for field in ("destination_is", "destination"):
                if _is_signed({**facts, field: name}, origin, key_id, public_key):
                    return origin
        raise NotAllowed("Invalid homeserver signature.")

    def _key(self, origin: str, key_id: str) -> str:
        now = self._now()
        ring = self._rings.get(origin)
        is_good = ring is not None and now < ring.good_until
        if ring and is_good and key_id in ring.keys:
            return ring.keys[key_id]
        if ring is None or now >= ring.asked_at + ASK_AGAIN:
            ring = self._rings[origin] = self._fetch(origin, now)
        if not ring.answered:
            raise HomeserverSilent
        if key_id not in ring.keys or now >= ring.good_until:
            raise NotAllowed("The homeserver does not publish the key that signed this.")
        return ring.keys[key_id]

    def _fetch(self, origin: str, now: datetime) -> KeyRing:
        try:
            with self.talk(origin) as talk:
                answer = talk.call("GET", "/_matrix/key/v2/server")
        except Away:
            return KeyRing(now, now, {}, answered=False)
        if answer.status != OK:
            return KeyRing(now, now, {}, answered=False)
        return _read_ring(answer.body, origin, now)


def read_x_matrix(authorization: str) -> dict[str, str]:
    """The parameters of an X-Matrix Authorization header; empty for any other header."""
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() != "x-matrix" or len(authorization) > MAX_HEADER:
        return {}
    found: dict[str, str] = {}
    at = 0
    while at < len(rest):
        part = PARAMETER.match(rest, at)
        if part is None or part[1].lower() in found:
            return {}
        found[part[1].lower()] = part[2] if part[2] is not None else part[3]
        at = part.end()
    return found


def _is_signed(facts: Mapping[str, Any], origin: str, key_id: str, public_key: str) -> bool:
    try:
        verify(facts, signer=origin, key_id=key_id, public_key=public_key)
    except NotSigned:
        return False
    return True


def _read_ring(body: Mapping[str, Any], origin: str, now: datetime) -> KeyRing:
    """The keys with which the homeserver signed this answer; others are ignored."""
    published = body.get("verify_keys")
    until = body.get("valid_until_ts")
    if body.get("server_name") != origin or not isinstance(published, dict):
        return KeyRing(now, now, {})
    keys = {
        key_id: each["key"]
        for key_id, each in list(published.items())[:MAX_KEYS]
        if isinstance(each, dict)
        and isinstance(each.get("key"), str)
        and _is_signed(body, origin, key_id, each["key"])
    }
    return KeyRing(now, _until(until, now), keys)


def _until(milliseconds: object, now: datetime) -> datetime:
    latest = now + MAX_KEY_AGE
    if not isinstance(milliseconds, int):
        return now
    if milliseconds >= latest.timestamp() * 1000:
        return latest
    return datetime.fromtimestamp(max(milliseconds, 0) / 1000, UTC)
