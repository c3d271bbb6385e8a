"""The HTTP client to Guichet: JSON over TLS, with the homeserver's credential."""

import json
from dataclasses import dataclass
from typing import Any

from .configuration import Config

API_PREFIX = "/api/homeserver/v1"
REQUEST_SECONDS = 10
NOT_MODIFIED = 304
SERVER_ERROR = 500
TOO_MANY = 429


class GuichetUnreachable(Exception):
    """There was no answer, or one that says to come back later (429, 5xx)."""


@dataclass(frozen=True)
class GuichetAnswer:
    """`body` is the parsed JSON, None where there is none (304). `etag` is as received."""

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
    """Requests to Guichet's API for homeservers.

    `path` begins after `/api/homeserver/v1`. Methods raise GuichetUnreachable, and nothing else.
    """

    def __init__(self, config: Config, api: Any) -> None:
        self._config = config
        self._api = api
        self._own: _OwnClient | None = None

    async def get(self, path: str, etag: str | None = None) -> GuichetAnswer:
        """GET, with If-None-Match if an ETag is given."""
        return await self._ask("GET", path, {"If-None-Match": [etag]} if etag else {}, None)

    async def post(self, path: str, body: Any) -> GuichetAnswer:
        """POST of a JSON body."""
        return await self._ask("POST", path, {"Content-Type": ["application/json"]}, body)

    async def _ask(
        self, method: str, path: str, headers: dict[str, list[str]], body: Any
    ) -> GuichetAnswer:
        try:
            return await self._exchange(method, path, headers, body)
        except GuichetUnreachable:
            raise
        except Exception as fault:  # Twisted, TLS and DNS have many ways to fail
            raise GuichetUnreachable(f"{method} {path}: {type(fault).__name__} {fault}") from fault

    async def _exchange(
        self, method: str, path: str, headers: dict[str, list[str]], body: Any
    ) -> GuichetAnswer:
        from synapse.logging.context import (  # noqa: PLC0415  # only in Synapse
            make_deferred_yieldable,
            run_in_background,
        )
        from twisted.internet import reactor  # noqa: PLC0415  # only in Synapse

        deferred = run_in_background(self._request, method, path, headers, body)
        deferred.addTimeout(REQUEST_SECONDS, reactor)
        answer: GuichetAnswer = await make_deferred_yieldable(deferred)
        if answer.status >= SERVER_ERROR or answer.status == TOO_MANY:
            raise GuichetUnreachable(f"{method} {path}: answered {answer.status}")
        return answer

    async def _request(
        self, method: str, path: str, headers: dict[str, list[str]], body: Any
    ) -> GuichetAnswer:
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
        url = self._config.guichet_url + API_PREFIX + path
        response = await self._http().request(method, url, data=data, headers=sent)
        text = await make_deferred_yieldable(treq.content(response))
        tags = response.headers.getRawHeaders("ETag") or [None]
        return GuichetAnswer(response.code, json.loads(text) if text else None, tags[0])

    def _http(self) -> Any:
        """Synapse's own client, or one that trusts only the configured authority."""
        if self._config.ca_file is None:
            return self._api.http_client
        if self._own is None:
            self._own = _OwnClient(_client_trusting(self._config.ca_file.read_bytes()))
        return self._own


class _OwnClient:
    """Used like Synapse's client, and keeps its log contexts as that does."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def request(self, method: str, url: str, *, data: bytes | None, headers: Any) -> Any:
        from synapse.logging.context import (  # noqa: PLC0415  # only in Synapse
            make_deferred_yieldable,
        )

        deferred = self._client.request(method, url, data=data, headers=headers, unbuffered=True)
        return await make_deferred_yieldable(deferred)


def _client_trusting(certificates: bytes) -> Any:
    from treq.client import HTTPClient  # noqa: PLC0415  # only in Synapse
    from twisted.internet import reactor, ssl  # noqa: PLC0415  # only in Synapse
    from twisted.web.client import (  # noqa: PLC0415  # only in Synapse
        Agent,
        BrowserLikePolicyForHTTPS,
    )

    end = b"-----END CERTIFICATE-----"
    found = [part + end for part in certificates.split(end) if b"BEGIN CERTIFICATE" in part]
    roots = ssl.trustRootFromCertificates([ssl.Certificate.loadPEM(part) for part in found])
    return HTTPClient(
        Agent(reactor, BrowserLikePolicyForHTTPS(roots), connectTimeout=REQUEST_SECONDS)
    )
