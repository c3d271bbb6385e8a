"""Federation API calls to registered homeservers: OpenID tokens, keys, X-Matrix signatures.

Homeservers that are not registered are never called.
"""

import re
from collections.abc import Callable, Collection, Hashable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from math import ceil
from typing import Any, TypeVar
from urllib.parse import quote

from domain_rules.user_ids import homeserver_in
from identity.core.http_client import Away, JsonClient
from identity.core.signatures import NotSigned, verify
from identity.problems import (
    HomeserverBusy,
    HomeserverSilent,
    NotAllowed,
    NotOfFederation,
    OpenIdRefused,
    WrongOwner,
)

from .breakers import Interface
from .calls import Busy, Endpoint, HomeserverCalls, NotAdmitted

T = TypeVar("T")

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

    `find` returns the endpoint of a registered homeserver by its server name. The same question is
    put once at a time.
    """

    def __init__(
        self,
        find: Callable[[str], FederationEndpoint | None],
        now: Callable[[], datetime],
        calls: HomeserverCalls,
    ) -> None:
        self._find, self._now, self._calls = find, now, calls
        self._rings: dict[str, KeyRing] = {}

    def talk(
        self,
        server_name: str,
        interface: Interface = Interface.FEDERATION,
        *,
        seconds: float = SECONDS,
    ) -> AbstractContextManager[JsonClient]:
        """A client for this homeserver. Raises NotOfFederation, and NotAdmitted on entering."""
        found = self._find(server_name)
        if found is None:
            raise NotOfFederation
        endpoint = Endpoint(
            found.server_name, interface, found.url, ca_pem=found.ca_pem, insecure=found.insecure
        )
        return self._calls.talk(endpoint, seconds=seconds)

    def owner_of(self, openid_token: str, *, server_name: str) -> str:
        """The user ID an OpenID token belongs to (federation API, `openid/userinfo`).

        Raises NotOfFederation, OpenIdRefused, WrongOwner, HomeserverSilent, HomeserverBusy.
        """
        question = ("owner", server_name, openid_token)
        ask = partial(self._ask_owner, openid_token, server_name)
        return self._ask_once(server_name, question, ask)

    def _ask_once(self, server_name: str, question: Hashable, ask: Callable[[], T]) -> T:
        """Raises HomeserverSilent, HomeserverBusy, and what `ask` raises."""
        try:
            return self._calls.ask_once(server_name, question, ask, seconds=SECONDS)
        except Busy as busy:
            raise HomeserverBusy(busy.retry_after) from None
        except NotAdmitted as refused:
            raise HomeserverSilent(refused.retry_after) from None
        except TimeoutError:
            raise HomeserverSilent from None

    def _ask_owner(self, openid_token: str, server_name: str) -> str:
        path = f"/_matrix/federation/v1/openid/userinfo?access_token={quote(openid_token, safe='')}"
        try:
            with self.talk(server_name) as talk:
                answer = talk.call("GET", path)
        except NotAdmitted:
            raise
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
        before_asking: Callable[[], None] = lambda: None,
    ) -> str:
        """The server name of the homeserver that signed this request (X-Matrix authentication).

        `uri`: the path and query as they were signed, without a prefix added by a proxy.
        `before_asking` is called before keys are fetched: anybody can name any homeserver. Raises
        NotAllowed, NotOfFederation, and HomeserverSilent or HomeserverBusy if its keys cannot be
        fetched.
        """
        parameters = read_x_matrix(authorization)
        origin, key_id, signature = (parameters.get(name, "") for name in ("origin", "key", "sig"))
        if not (origin and key_id and signature):
            raise NotAllowed("This Authorization header is not X-Matrix.")
        destination = parameters.get("destination")
        if destination is not None and destination not in our_names:
            raise NotAllowed("This request was signed for another server.")
        public_key = self._key(origin, key_id, before_asking)
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

    def _key(self, origin: str, key_id: str, before_asking: Callable[[], None]) -> str:
        now = self._now()
        ring = self._rings.get(origin)
        is_good = ring is not None and now < ring.good_until
        if ring and is_good and key_id in ring.keys:
            return ring.keys[key_id]
        if ring is None or now >= ring.asked_at + ASK_AGAIN:
            before_asking()
            question = ("keys", origin)
            ring = self._ask_once(origin, question, partial(self._renew, origin, now))
        if key_id in ring.keys and now < ring.good_until:
            return ring.keys[key_id]
        if not ring.answered:
            again_at = ring.asked_at + ASK_AGAIN
            raise HomeserverSilent(max(1, ceil((again_at - now).total_seconds())))
        raise NotAllowed("The homeserver does not publish the key that signed this.")

    def _renew(self, origin: str, now: datetime) -> KeyRing:
        """Fetch the keys. Without an answer, those that are known stay good until they expire."""
        known = self._rings.get(origin)
        if known is not None and now < known.asked_at + ASK_AGAIN:
            return known  # somebody asked just before
        fetched = self._fetch(origin, now)
        if known is not None and not fetched.answered and now < known.good_until:
            fetched = replace(known, asked_at=now, answered=False)
        self._rings[origin] = fetched
        return fetched

    def _fetch(self, origin: str, now: datetime) -> KeyRing:
        try:
            with self.talk(origin) as talk:
                answer = talk.call("GET", "/_matrix/key/v2/server")
        except NotAdmitted:
            raise  # nothing was learned about its keys
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
