"""The way from a homeserver to Guichet: JSON over TLS, with the homeserver's credential."""

import json
from dataclasses import dataclass
from typing import Any

from .configuration import Config

PREFIX = "/api/homeserver/v1"
SECONDS = 10
NOT_MODIFIED = 304
SERVER_ERROR = 500
TOO_MANY = 429


class GuichetAway(Exception):
    """No answer, or one that says to come back later."""


@dataclass(frozen=True)
class Answer:
    """`body` is the JSON, None where there is none (304). `etag` is as it came."""

    status: int
    body: Any
    etag: str | None

    @property
    def is_unchanged(self) -> bool:
        return self.status == NOT_MODIFIED

    @property
    def is_good(self) -> bool:
        return self.status < 300  # noqa: PLR2004  # the 2xx


class GuichetClient:
    """`path` begins after `/api/homeserver/v1`. Raises `GuichetAway`, and nothing else."""

    def __init__(self, config: Config, api: Any) -> None:
        self._config = config
        self._api = api
        self._own: _OwnClient | None = None

    async def get(self, path: str, etag: str | None = None) -> Answer:
        return await self._ask("GET", path, {"If-None-Match": [etag]} if etag else {}, None)

    async def post(self, path: str, body: Any) -> Answer:
        return await self._ask("POST", path, {"Content-Type": ["application/json"]}, body)

    async def _ask(
        self, method: str, path: str, headers: dict[str, list[str]], body: Any
    ) -> Answer:
        try:
            return await self._exchange(method, path, headers, body)
        except GuichetAway:
            raise
        except Exception as fault:  # Twisted, TLS and DNS have many ways to fail
            raise GuichetAway(f"{method} {path}: {type(fault).__name__} {fault}") from fault

    async def _exchange(
        self, method: str, path: str, headers: dict[str, list[str]], body: Any
    ) -> Answer:
        from synapse.logging.context import (  # noqa: PLC0415  # only in Synapse
            make_deferred_yieldable,
            run_in_background,
        )
        from twisted.internet import reactor  # noqa: PLC0415  # only in Synapse

        asked = run_in_background(self._request, method, path, headers, body)
        asked.addTimeout(SECONDS, reactor)
        answer: Answer = await make_deferred_yieldable(asked)
        if answer.status >= SERVER_ERROR or answer.status == TOO_MANY:
            raise GuichetAway(f"{method} {path}: answered {answer.status}")
        return answer

    async def _request(
        self, method: str, path: str, headers: dict[str, list[str]], body: Any
    ) -> Answer:
        import treq  # noqa: PLC0415  # only in Synapse
        from synapse.logging.context import (  # noqa: PLC0415  # only in Synapse
            make_deferred_yieldable,
        )
        from twisted.web.http_headers import Headers  # noqa: PLC0415  # only in Synapse

        sent = Headers(
            {
                "Accept": ["application/json"],
                "Authorization": [f"Bearer {self._config.credential}"],
                **headers,
            }
        )
        data = None if body is None else json.dumps(body).encode()
        url = self._config.guichet_url + PREFIX + path
        response = await self._http().request(method, url, data=data, headers=sent)
        text = await make_deferred_yieldable(treq.content(response))
        tags = response.headers.getRawHeaders("ETag") or [None]
        return Answer(response.code, json.loads(text) if text else None, tags[0])

    def _http(self) -> Any:
        """Synapse's own client, which trusts what OpenSSL trusts, or one for our authority alone."""
        if self._config.ca_file is None:
            return self._api.http_client
        if self._own is None:
            self._own = _OwnClient(_client_trusting(self._config.ca_file.read_bytes()))
        return self._own


class _OwnClient:
    """Asked as Synapse's is, and minds its log contexts as that does."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def request(self, method: str, url: str, *, data: bytes | None, headers: Any) -> Any:
        from synapse.logging.context import (  # noqa: PLC0415  # only in Synapse
            make_deferred_yieldable,
        )

        asked = self._client.request(method, url, data=data, headers=headers, unbuffered=True)
        return await make_deferred_yieldable(asked)


def _client_trusting(certificates: bytes) -> Any:
    from treq.client import HTTPClient  # noqa: PLC0415  # only in Synapse
    from twisted.internet import reactor, ssl  # noqa: PLC0415  # only in Synapse
    from twisted.web.client import Agent, BrowserLikePolicyForHTTPS  # noqa: PLC0415  # only in Synapse

    end = b"-----END CERTIFICATE-----"
    found = [part + end for part in certificates.split(end) if b"BEGIN CERTIFICATE" in part]
    roots = ssl.trustRootFromCertificates([ssl.Certificate.loadPEM(part) for part in found])
    return HTTPClient(Agent(reactor, BrowserLikePolicyForHTTPS(roots), connectTimeout=SECONDS))
