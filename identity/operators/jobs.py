"""What the worker does for operators: it reads what their OpenID provider says of itself."""

import logging
from datetime import datetime
from typing import Any, Final

from identity.core.http_client import Away, JsonClient
from identity.operators.sso import provider as providers
from identity.operators.sso.provider import Client, WrongProvider
from identity.services import Services

log = logging.getLogger(__name__)

DOCUMENT: Final = "/.well-known/openid-configuration"
SECONDS: Final = 8.0  # for both calls together; the sweep of this process waits meanwhile
OK: Final = 200


def read_provider(services: Services) -> None:
    """Read the provider's description and keys if an hour is over, or a token named an unknown key.

    After a failure it is tried again each minute; until then what was read before stays in use.
    """
    client = providers.client_of(services.settings)
    if client is None:
        return
    now = services.now()
    with services.database.transaction() as session:
        is_due = providers.claim_reading(session, now, client.issuer)
    if is_due:
        _read(services, client, now)


def _read(services: Services, client: Client, now: datetime) -> None:
    try:
        document, keys = _fetch(client)
        providers.read_provider(client.issuer, document, keys)
    except (Away, WrongProvider) as error:
        fault = str(error) if isinstance(error, WrongProvider) else f"no answer: {error}"
        log.warning("the OpenID provider cannot be read: %s", fault)
        with services.database.transaction() as session:
            providers.store_fault(session, client.issuer, fault)
        return
    with services.database.transaction() as session:
        providers.store(session, now, client.issuer, document, keys)


def _fetch(client: Client) -> tuple[dict[str, Any], dict[str, Any]]:
    """Its description and its keys. Raises Away, WrongProvider."""
    document = _get(client.issuer.removesuffix("/") + DOCUMENT)
    return document, providers.read_keys(_get(providers.keys_url(client.issuer, document)))


def _get(url: str) -> dict[str, Any]:
    origin, path = providers.split(url)
    with JsonClient(origin, seconds=SECONDS / 2) as http:
        answer = http.call("GET", path)
    if answer.status != OK:
        raise Away(f"status {answer.status}", sent=True, status=answer.status)
    return answer.body
