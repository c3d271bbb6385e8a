"""A JSON client for calls to one homeserver: with deadlines, a maximum size and no redirects."""

import re
import ssl
import time
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, NewConnectionError, TimeoutError as UrllibTimeoutError
from urllib3.util.ssl_ import create_urllib3_context

from . import strict_json

CONNECT_TIMEOUT = 3.0  # seconds
READ_TIMEOUT = 5.0  # seconds between two pieces of an answer
MAX_BYTES = 1_000_000  # of one answer
CHUNK = 64 * 1024
CODE = re.compile(r"[0-9A-Za-z_.-]{1,200}")


class Away(Exception):
    """The homeserver cannot be reached, is too slow, or its answer is no JSON object: try later.

    `sent`: it may have received the request and acted on it. `status`: the HTTP status of an answer
    that arrived whole but cannot be used.
    """

    def __init__(self, why: str, *, sent: bool = False, status: int | None = None) -> None:
        super().__init__(why)
        self.sent, self.status = sent, status


@dataclass(frozen=True)
class Answer:
    """An HTTP status and the JSON object of the body."""

    status: int
    body: dict[str, Any]

    @property
    def errcode(self) -> str:
        """The Matrix error code; empty if there is none."""
        return safe_code(self.body.get("errcode"))


class JsonClient:
    """Several calls to one homeserver over one session.

    `seconds` is the time for all calls together, or for each call if not `one_deadline`.
    """

    def __init__(
        self,
        base_url: str,
        *,
        ca_pem: str | None = None,
        seconds: float = 10.0,
        insecure: bool = False,
        one_deadline: bool = True,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._seconds, self._one_deadline = seconds, one_deadline
        self._ends_at = time.monotonic() + seconds
        self._session = requests.Session()
        self._session.trust_env = (
            False  # no proxy, no .netrc: only registered homeservers are called
        )
        if insecure:
            self._session.verify = False
        elif ca_pem:
            self._session.mount("https://", _PrivateAuthority(ca_pem))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        body: dict[str, Any] | None = None,
    ) -> Answer:
        """Send one request. Any status with a JSON object is an Answer, except 5xx.

        Raises Away.
        """
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        status = None
        if not self._one_deadline:
            self._ends_at = time.monotonic() + self._seconds
        try:
            with self._session.request(
                method,
                self._base_url + path,
                json=body,
                headers=headers,
                timeout=(min(CONNECT_TIMEOUT, self._left()), min(READ_TIMEOUT, self._left())),
                allow_redirects=False,
                stream=True,
            ) as response:
                status = response.status_code
                return Answer(response.status_code, self._read(response))
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            # The library's message may contain the URL, and so an address: only its type is kept.
            sent = status is not None or _may_be_sent(error)
            if isinstance(error, TimeoutError | UrllibTimeoutError):
                status = None  # the answer began and was never complete
            raise Away(type(error).__name__, sent=sent, status=status) from None

    def _read(self, response: requests.Response) -> dict[str, Any]:
        taken = bytearray()
        # `read1` returns what has arrived: a server that sends a byte a second meets the deadline
        # too.
        while piece := response.raw.read1(CHUNK, decode_content=True):
            taken += piece
            self._left()
            if len(taken) > MAX_BYTES:
                raise ValueError("answer too long")
        body = strict_json.read_object(bytes(taken))
        if response.status_code >= requests.codes.internal_server_error:
            raise ValueError(f"status {response.status_code}")
        return body

    def _left(self) -> float:
        left = self._ends_at - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class _PrivateAuthority(HTTPAdapter):
    """TLS that trusts the federation's own certificate authority and no other."""

    def __init__(self, ca_pem: str) -> None:
        self._context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED)
        self._context.check_hostname = True
        self._context.load_verify_locations(cadata=ca_pem)
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)


def _may_be_sent(error: Exception) -> bool:
    """Whether there was a connection before the error, so that the request may have arrived."""
    if isinstance(error, requests.exceptions.SSLError | requests.ConnectTimeout):
        return False
    cause = error.args[0] if error.args else None
    return not isinstance(getattr(cause, "reason", None), NewConnectionError)


def safe_code(value: object) -> str:
    """The value if it is a short code that may be logged and stored, else empty."""
    return value if isinstance(value, str) and CODE.fullmatch(value) else ""


def quote_path_segment(text: str) -> str:
    """A user ID or an address, escaped as one segment of a path."""
    return quote(text, safe="")
