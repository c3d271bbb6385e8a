"""The HTTP client to Guichet: JSON over TLS, with the homeserver's credential."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .cache import MS
from .configuration import Config
from .turns import NoTurn, Turns

API_PREFIX = "/api/homeserver/v1"
REQUEST_SECONDS = 10  # until the last byte of an answer; for questions also the wait for a turn
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

    `path` begins after `/api/homeserver/v1`. Methods raise GuichetUnreachable, and nothing else,
    after REQUEST_SECONDS at the latest: the callbacks that wait for them have more time than that.
    """

    def __init__(self, config: Config, api: Any) -> None:
        self._config = config
        self._api = api
        self._own: _OwnClient | None = None
        self._now_ms: Callable[[], int] = api.get_current_time_msec
        self._turns = Turns(self._now_ms, api.sleep)

    async def get(self, path: str, etag: str | None = None) -> GuichetAnswer:
        """GET, with If-None-Match if an ETag is given."""
        headers = {"If-None-Match": [etag]} if etag else {}
        return await self._ask("GET", path, headers, None, REQUEST_SECONDS)

    async def post(self, path: str, body: Any) -> GuichetAnswer:
        """POST of a JSON body, when it is its turn: few are under way at once."""
        ends_ms = self._now_ms() + REQUEST_SECONDS * MS
        try:
            await self._turns.take(ends_ms)
        except NoTurn as refused:
            raise GuichetUnreachable(f"POST {path}: {refused}") from None
        try:
            seconds = max(0.0, (ends_ms - self._now_ms()) / MS)
            headers = {"Content-Type": ["application/json"]}
            return await self._ask("POST", path, headers, body, seconds)
        finally:
            self._turns.give_back()

    async def _ask(
        self, method: str, path: str, headers: dict[str, list[str]], body: Any, seconds: float
    ) -> GuichetAnswer:
        try:
            answer = await self._exchange(method, path, headers, body, seconds)
        except Exception as fault:  # Twisted, TLS and DNS have many ways to fail
            self._turns.record_silence()
            raise GuichetUnreachable(f"{method} {path}: {type(fault).__name__} {fault}") from fault
        self._turns.record_answer()
        if answer.status >= SERVER_ERROR or answer.status == TOO_MANY:
            raise GuichetUnreachable(f"{method} {path}: answered {answer.status}")
        return answer

    async def _exchange(
        self, method: str, path: str, headers: dict[str, list[str]], body: Any, seconds: float
    ) -> GuichetAnswer:
        from synapse.logging.context import (  # noqa: PLC0415  # only in Synapse
            make_deferred_yieldable,
            run_in_background,
        )
        from twisted.internet import reactor  # noqa: PLC0415  # only in Synapse

        deferred = run_in_background(self._request, method, path, headers, body)
        deferred.addTimeout(seconds, reactor)
        answer: GuichetAnswer = await make_deferred_yieldable(deferred)
        return answer

    async def _request(
        self, method: str, path: str, headers: dict[str, list[str]], body: Any
    ) -> GuichetAnswer:
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
        text = await make_deferred_yieldable(_read_body(response))
        tags = response.headers.getRawHeaders("ETag") or [None]
        return GuichetAnswer(response.code, json.loads(text) if text else None, tags[0])

    def _http(self) -> Any:
        """A client that trusts what Synapse trusts, or only the configured authority.

        Synapse's own goes on for a minute with a request that was cancelled.
        """
        if self._own is None:
            if self._config.ca_file is None:
                self._own = _OwnClient(_client_of(self._api.http_client))
            else:
                self._own = _OwnClient(_client_trusting(self._config.ca_file.read_bytes()))
        return self._own


def _read_body(response: Any) -> Any:
    """A Deferred of the body. The library's own cannot be cancelled: its connection would stay."""
    from twisted.internet import defer, protocol  # noqa: PLC0415  # only in Synapse
    from twisted.web.client import ResponseDone  # noqa: PLC0415  # only in Synapse
    from twisted.web.http import PotentialDataLoss  # noqa: PLC0415  # only in Synapse

    class Body(protocol.Protocol):  # type: ignore[misc]  # untyped
        """Collects what comes."""

        def __init__(self) -> None:
            self.pieces: list[bytes] = []
            self.done: Any = defer.Deferred(lambda _deferred: self.abort())

        def dataReceived(self, data: bytes) -> None:  # noqa: N802  # Twisted's name
            self.pieces.append(data)

        def connectionLost(self, reason: Any) -> None:  # noqa: N802  # Twisted's name
            if self.done.called:
                return
            if reason.check(ResponseDone, PotentialDataLoss):
                self.done.callback(b"".join(self.pieces))
            else:
                self.done.errback(reason)

        def abort(self) -> None:
            # Behind Twisted's stand-in, which cannot abort: a good-bye would wait for the other end.
            real = getattr(self.transport, "_producer", None) or self.transport
            getattr(real, "abortConnection", real.loseConnection)()

    body = Body()
    response.deliverBody(body)
    return body.done


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


def _client_of(synapse_client: Any) -> Any:
    """The same connections, with requests that can be cancelled."""
    from treq.client import HTTPClient  # noqa: PLC0415  # only in Synapse

    return HTTPClient(synapse_client.agent)


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
