"""The calls to the OpenID provider that a sign-in makes: for its token, and where set for the person.

Beside the making of accounts these are the only calls that a web request waits for. All together end
after five seconds, and no more than two requests of a process wait at once.
"""

import base64
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from threading import BoundedSemaphore
from typing import Any, Final
from urllib.parse import quote_plus

from identity.core.deadlines import Deadline
from identity.core.http_client import Answer, Away, JsonClient, safe_code
from identity.operators.sso import tokens
from identity.operators.sso.provider import Client, Provider, split
from identity.operators.sso.states import Returned
from identity.operators.sso.tokens import Refused, Told

log = logging.getLogger(__name__)

SECONDS: Final = 5.0  # for all calls of one sign-in together
AT_ONCE: Final = 2
OK: Final = 200
_places = BoundedSemaphore(AT_ONCE)


class Busy(Exception):
    """Two others wait for the provider already."""


@dataclass(frozen=True)
class Vouched:
    """What the provider tells of a person, and the ID token that says so."""

    told: Told
    id_token: str


@contextmanager
def place() -> Iterator[None]:
    """A place among those who may wait for the provider. Raises Busy at once if there is none."""
    if not _places.acquire(blocking=False):
        raise Busy
    try:
        yield
    finally:
        _places.release()


def ask(
    client: Client, provider: Provider, returned: Returned, code: str, now: datetime
) -> Vouched:
    """Hand in the code (RFC 6749, section 4.1.3), and check what comes for it.

    Raises Refused, or Away if the provider is silent, too slow or broken.
    """
    deadline = Deadline(SECONDS)
    answer = _redeem(client, provider, returned, code, deadline)
    id_token, access_token = answer.body.get("id_token"), answer.body.get("access_token")
    if answer.status != OK or not isinstance(id_token, str) or not isinstance(access_token, str):
        log.warning("the OpenID provider gave no token: %s", safe_code(answer.body.get("error")))
        raise Refused("code")
    claims = tokens.read_id_token(
        client, provider, id_token, now, nonce=returned.nonce, access_token=access_token
    )
    userinfo = None
    if client.userinfo != "off":
        userinfo = _fetch_userinfo(client, provider, access_token, now, deadline)
    return Vouched(tokens.read_person(client, claims, userinfo), id_token)


def _redeem(
    client: Client, provider: Provider, returned: Returned, code: str, deadline: Deadline
) -> Answer:
    fields = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": client.back_url,
    }
    if returned.kept.verifier:
        fields["code_verifier"] = returned.kept.verifier
    secret, authorization = client.secret.get_secret_value(), None
    if provider.takes_secret_in_form:
        fields |= {"client_id": client.client_id, "client_secret": secret}
    else:  # section 2.3.1: both are encoded as in a form, then joined
        pair = f"{quote_plus(client.client_id)}:{quote_plus(secret)}"
        authorization = f"Basic {base64.b64encode(pair.encode()).decode()}"
    origin, path = split(provider.token_url)
    with JsonClient(origin, seconds=_left(deadline)) as http:
        return http.send_form(path, fields, authorization=authorization)


def _fetch_userinfo(
    client: Client, provider: Provider, access_token: str, now: datetime, deadline: Deadline
) -> dict[str, Any]:
    if provider.userinfo_url is None:
        raise Refused("userinfo")
    origin, path = split(provider.userinfo_url)
    with JsonClient(origin, seconds=_left(deadline)) as http:
        if client.userinfo == "json":
            answer = http.call("GET", path, token=access_token)
            if answer.status != OK:
                raise Refused("userinfo")
            return answer.body
        raw = http.get_raw(path, token=access_token)
    if raw.status != OK or raw.media_type != "application/jwt":
        raise Refused("userinfo")
    return tokens.read_userinfo(client, provider, raw.body.decode(errors="replace").strip(), now)


def _left(deadline: Deadline) -> float:
    """Raises Away."""
    try:
        return deadline.left()
    except TimeoutError:
        raise Away("TimeoutError") from None
