"""JSON over HTTP to one homeserver: a deadline for the whole talk or each call, a capped body, no redirects."""

import re
import ssl
import time
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, NewConnectionError
from urllib3.exceptions import TimeoutError as UrllibTimeoutError
from urllib3.util.ssl_ import create_urllib3_context

from . import strict_json

CONNECT_TIMEOUT = 3.0  # seconds
READ_TIMEOUT = 5.0  # seconds between two pieces of an answer
MAX_BYTES = 1_000_000  # of one answer
CHUNK = 64 * 1024
CODE = re.compile(r"[0-9A-Za-z_.-]{1,200}")


class Away(Exception):
    """The homeserver cannot be reached, is too slow, or answers what is no Matrix answer. Worth another try.

    `sent`: it may have got the request, and done what was asked. `status`: of an answer that came whole and was no use.
    """

    def __init__(self, why: str, *, sent: bool = False, status: int | None = None) -> None:
        super().__init__(why)
        self.sent, self.status = sent, status


@dataclass(frozen=True)
class Answer:
    """A status and the JSON object that came with it."""

    status: int
    body: dict[str, Any]

    @property
    def errcode(self) -> str:
        """What the homeserver names its refusal; empty if it does not, or not by a code."""
        return code(self.body.get("errcode"))


class JsonClient:
    """One talk of several calls with one homeserver.

    `seconds` is for all of them together, or for each where the talk is not `one_deadline`.
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
        """One request. Any status with a JSON object is an Answer; everything else raises Away."""
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
            # The message of the library may hold the URL, and with it an address.
            sent = status is not None or _may_be_sent(error)
            if isinstance(error, TimeoutError | UrllibTimeoutError):
                status = None  # it began to answer, and never did
            raise Away(type(error).__name__, sent=sent, status=status) from None

    def _read(self, response: requests.Response) -> dict[str, Any]:
        taken = bytearray()
        # One byte a second is slow too: the clock is looked at after whatever has come, not after a full piece.
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
    """TLS against the federation's own certificate authority, and that one alone."""

    def __init__(self, ca_pem: str) -> None:
        self._context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED)
        self._context.check_hostname = True
        self._context.load_verify_locations(cadata=ca_pem)
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)


def _may_be_sent(error: Exception) -> bool:
    """Whether the connection stood when it broke."""
    if isinstance(error, requests.exceptions.SSLError | requests.ConnectTimeout):
        return False
    cause = error.args[0] if error.args else None
    return not isinstance(getattr(cause, "reason", None), NewConnectionError)


def code(said: object) -> str:
    """A code as it can be logged and kept, whatever a homeserver put in its place: then empty."""
    return said if isinstance(said, str) and CODE.fullmatch(said) else ""


def path_part(text: str) -> str:
    """A user ID or address as one segment of a path."""
    return quote(text, safe="")
