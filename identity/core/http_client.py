"""A JSON client for calls to one homeserver: with deadlines, a maximum size and no redirects.

An OpenID provider is called by it, too: that takes forms, and may answer with a signed text.
"""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeVar
from urllib.parse import quote

import requests
from urllib3.exceptions import HTTPError, TimeoutError as UrllibTimeoutError

from . import metrics, strict_json
from .deadlines import Deadline, Watchdog
from .watched_http import Line, WatchedAdapter

CONNECT_TIMEOUT = 3.0  # seconds, for each address of the host
READ_TIMEOUT = 5.0  # seconds between two pieces of an answer
MAX_BYTES = 1_000_000  # of one answer
CHUNK = 64 * 1024
REFUSED, UNAUTHORIZED, LIMITED = 400, 401, 429
ABOUT_ONE = {"M_NOT_FOUND", "M_USER_IN_USE", "M_EXCLUSIVE"}  # about what was asked for, and no more
REASON = "org.guichet.reason"  # why our module in the homeserver does not act in a room
CODE = re.compile(r"[0-9A-Za-z_.-]{1,200}")
T = TypeVar("T")


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


@dataclass(frozen=True)
class RawAnswer:
    """An HTTP status, the media type in lower case, and the body as it came."""

    status: int
    media_type: str
    body: bytes


class _Session(requests.Session):
    """Follows nothing. The library reads the whole body of a redirection, even if told not to."""

    def get_redirect_target(self, resp: requests.Response) -> None:  # noqa: ARG002  the library's
        return None


class JsonClient:
    """Several calls to one homeserver over one session.

    `seconds` is the time for all calls together, or for each call if not `one_deadline`. It holds
    whatever the homeserver sends: names, connections, TLS, headers and body included.
    """

    def __init__(
        self,
        base_url: str,
        *,
        ca_pem: str | None = None,
        seconds: float = 10.0,
        insecure: bool = False,
        one_deadline: bool = True,
        server_name: str = "",
    ) -> None:
        """`server_name`: the registered homeserver whose calls are counted; empty: none."""
        self._server_name = server_name
        self._base_url = base_url.rstrip("/")
        self._seconds, self._one_deadline = seconds, one_deadline
        self._deadline = Deadline(seconds)
        self._line = Line(Watchdog(), CONNECT_TIMEOUT)
        self._status: int | None = None
        self._session = _Session()
        # No proxy, no .netrc: only registered homeservers are called.
        self._session.trust_env = False
        if insecure:
            self._session.verify = False
        self._session.mount("http://", WatchedAdapter(self._line))
        self._session.mount(
            "https://", WatchedAdapter(self._line, ca_pem=None if insecure else ca_pem)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()
        self._line.watchdog.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        body: dict[str, Any] | None = None,
    ) -> Answer:
        """Send one request. Any status with a JSON object is an Answer, except 5xx and redirections.

        Raises Away.
        """
        result, began = "away", time.perf_counter()
        try:
            answer = self._call(method, path, _answer, headers=_bearer(token), body=body)
            result = _result(answer, with_token=token is not None)
        finally:
            if self._server_name:
                metrics.HOMESERVER_CALLS.inc(homeserver=self._server_name, result=result)
                seconds = time.perf_counter() - began
                metrics.HOMESERVER_SECONDS.observe(seconds, homeserver=self._server_name)
        return answer

    def send_form(
        self, path: str, fields: Mapping[str, str], *, authorization: str | None = None
    ) -> Answer:
        """POST a form, as `application/x-www-form-urlencoded`. Answers as `call` does. Raises Away.

        `authorization`: the whole header of this name.
        """
        headers = {"Authorization": authorization} if authorization else {}
        headers["Accept"] = "application/json"
        return self._call("POST", path, _answer, headers=headers, form=fields)

    def get_raw(self, path: str, *, token: str) -> RawAnswer:
        """GET whatever stands there, except for 5xx and redirections. Raises Away."""
        return self._call("GET", path, _usable, headers=_bearer(token))

    def _call(
        self,
        method: str,
        path: str,
        read: Callable[[RawAnswer], T],
        *,
        headers: dict[str, str],
        body: dict[str, Any] | None = None,
        form: Mapping[str, str] | None = None,
    ) -> T:
        if not self._one_deadline:
            self._deadline = Deadline(self._seconds)
        self._line.has_sent = False
        self._status = None
        try:
            with self._line.watchdog.until(self._deadline):
                return read(self._exchange(method, path, headers, body, form))
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            # The library's message may contain the URL, and so an address: only its type is kept.
            is_cut = self._line.watchdog.has_cut
            is_late = is_cut or isinstance(error, TimeoutError | UrllibTimeoutError)
            # Of an answer that was never complete the status says nothing.
            status = None if is_late else self._status
            why = TimeoutError if is_cut else type(error)
            raise Away(why.__name__, sent=self._line.has_sent, status=status) from None

    def _exchange(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: dict[str, Any] | None,
        form: Mapping[str, str] | None,
    ) -> RawAnswer:
        with self._session.request(
            method,
            self._base_url + path,
            json=body,
            data=form,
            headers=headers,
            timeout=(self._deadline.left(CONNECT_TIMEOUT), self._deadline.left(READ_TIMEOUT)),
            allow_redirects=False,
            stream=True,
        ) as response:
            self._status = response.status_code
            if response.is_redirect:
                raise ValueError("a redirection")
            media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
            return RawAnswer(response.status_code, media_type, self._read(response))

    def _read(self, response: requests.Response) -> bytes:
        taken = bytearray()
        while piece := response.raw.read1(CHUNK, decode_content=True):
            taken += piece
            if len(taken) > MAX_BYTES:
                raise ValueError("answer too long")
        if self._line.watchdog.has_cut:
            raise TimeoutError
        return bytes(taken)


def _bearer(token: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def _answer(raw: RawAnswer) -> Answer:
    body = strict_json.read_object(raw.body)
    return Answer(_usable(raw).status, body)


def _usable(raw: RawAnswer) -> RawAnswer:
    if raw.status >= requests.codes.internal_server_error:
        raise ValueError(f"status {raw.status}")
    return raw


def _result(answer: Answer, *, with_token: bool) -> str:
    """How a call ended that was answered with a JSON object, for the metrics.

    That an account does not exist yet, or that one room takes nobody, is an answer and no refusal:
    every sign-up asks for what is not there.
    """
    if answer.status == LIMITED:
        return "limited"
    is_about_one = answer.errcode in ABOUT_ONE or REASON in answer.body
    is_of_a_person = answer.status == UNAUTHORIZED and not with_token  # whose token has ended
    is_refused = answer.status >= REFUSED and not is_about_one and not is_of_a_person
    return "refused" if is_refused else "ok"


def safe_code(value: object) -> str:
    """The value if it is a short code that may be logged and stored, else empty."""
    return value if isinstance(value, str) and CODE.fullmatch(value) else ""


def quote_path_segment(text: str) -> str:
    """A user ID or an address, escaped as one segment of a path."""
    return quote(text, safe="")
