"""The proxy file for homeservers with guests, in a real nginx: what gets through it, however it is written."""

import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.services import homeserver_proxy
from tests.services.serving import serve
from tests.services.waiting import LOOPBACK, free_port

OURS = "guichet.example.org"
FOREIGN = "foreign_identity_server"
AGENTS_ONLY = "/_synapse/client/org.guichet/v1/agents-only"
INVITE = "/_matrix/client/v3/rooms/!a:b.example/invite"
STATUS = {"Bearer agent": 200, "Bearer guest": 403}
MOST = 256 * 1024


@dataclass
class Answer:
    """What came back to the client."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def got_through(self) -> bool:
        return "X-Homeserver" in self.headers

    @property
    def body(self) -> dict[str, Any]:
        return json.loads(self.text)


@dataclass
class Door:
    """nginx, and behind it a homeserver that keeps what reaches it and knows who is an agent."""

    port: int
    reached: list[tuple[str, str, bytes]] = field(default_factory=list)

    def ask(
        self, method: str, path: str, body: Any = None, who: str = "", **headers: str
    ) -> Answer:
        """`path` is sent as it is written; a list of pieces as `body` goes chunked."""
        talk = http.client.HTTPConnection(LOOPBACK, self.port, timeout=60)
        if who:
            headers["Authorization"] = f"Bearer {who}"
        is_chunked = isinstance(body, list)
        if is_chunked:
            headers["Transfer-Encoding"] = "chunked"
        elif body is not None:
            headers["Content-Length"] = str(len(body))
        try:
            talk.putrequest(method, path, skip_accept_encoding=True)
            for name, value in headers.items():
                talk.putheader(name.replace("_", "-"), value)
            talk.endheaders(body, encode_chunked=is_chunked)
            got = talk.getresponse()
            return Answer(got.status, dict(got.getheaders()), got.read().decode())
        finally:
            talk.close()

    def invite(self, text: str, path: str = INVITE) -> Answer:
        return self.ask("POST", path, text.encode())


def homeserver(reached: list[tuple[str, str, bytes]]) -> type[BaseHTTPRequestHandler]:
    class Homeserver(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self):
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            status = 200
            if self.path == AGENTS_ONLY:
                status = STATUS.get(self.headers["Authorization"], 401)
            else:
                reached.append((self.command, self.path, body))
            self.send_response(status)
            self.send_header("X-Homeserver", "yes")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        do_GET = do_POST = do_PUT = do_OPTIONS = do_DELETE = _answer  # noqa: N815  the library's names

        def log_message(self, *_: object) -> None:
            pass

    return Homeserver


@pytest.fixture(scope="module")
def door(tmp_path_factory) -> Iterator[Door]:
    reached: list[tuple[str, str, bytes]] = []
    port = free_port()
    server = ThreadingHTTPServer((LOOPBACK, port), homeserver(reached))
    server.daemon_threads = True
    serve(server)
    folder = tmp_path_factory.mktemp("proxy") / "nginx"
    with homeserver_proxy.before(folder, f"{LOOPBACK}:{port}", identity_server=OURS) as here:
        yield Door(int(here.rpartition(":")[2]), reached)
    server.shutdown()
    server.server_close()


def is_refusal(answer: Answer, reason: str) -> bool:
    """As Matrix clients read it, also in a browser."""
    assert not answer.got_through
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert (answer.status, answer.body["errcode"]) == (403, "M_FORBIDDEN")
    assert answer.body["error"] == answer.body["org.guichet.message"]["fr"]
    assert answer.body["org.guichet.message"]["en"]
    return answer.body["org.guichet.reason"] == reason


# --- Another identity server

NAMES_ONE = [
    INVITE,
    f"{INVITE}/1",
    f"{INVITE}/a%2Fb",
    "/_matrix/client/r0/rooms/!a:b.example/invite",
    "/_matrix/client/api/v1/rooms/!a:b.example/invite",
    "/_matrix/client/unstable/rooms/!a:b.example/invite",
    "/_matrix/client/v3/rooms/%21a%2F%0A%3Ab.example/invite",
    "/_matrix/client/v3/rooms/!a:b.example/invite?server_name=x",
    "/_matrix/client/v3/createRoom",
    "/_matrix/client/v3/createRoom/1",
    "/_matrix/client/v3/account/3pid",
    "/_matrix/client/v3/account/3pid/add",
    "/_matrix/client/v3/account/3pid/bind",
    "/_matrix/client/v3/account/3pid/unbind",
    "/_matrix/client/v3/account/3pid/delete",
    "/_matrix/client/v3/account/3pid/email/requestToken",
    "/_matrix/client/v3/account/3pid/msisdn/requestToken",
    "/_matrix/client/v3/account/password/email/requestToken",
    "/_matrix/client/v3/register/email/requestToken",
    "/_matrix/client/unstable/account/3pid/bind",
    "/_matrix/client/v3/account/deactivate",
]


@pytest.mark.parametrize("path", NAMES_ONE)
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_another_identity_server_is_named_to_nobody(door, path, method):
    door.reached.clear()
    named = {"medium": "email", "address": "a@b.example", "id_server": "vector.example"}
    deep = {"invite_3pid": [{"address": "a@b.example", **named}], "threePidCreds": named}
    for body in (json.dumps(named), json.dumps(deep), json.dumps(named, indent=2)):
        assert is_refusal(door.ask(method, path, body.encode()), FOREIGN)
        assert is_refusal(door.ask(method, path, [body.encode()]), FOREIGN)
        odd = door.ask(
            method, path, body.encode(), Content_Type="application/x-www-form-urlencoded"
        )
        assert is_refusal(odd, FOREIGN)
    assert door.reached == []


@pytest.mark.parametrize("path", NAMES_ONE)
def test_ours_and_none_get_through_as_they_were_written(door, path):
    door.reached.clear()
    bodies = [
        json.dumps({"id_server": OURS, "address": "zoé@b.example"}).encode(),
        json.dumps({"invite_3pid": [{"id_server": OURS}]}, indent=4).encode(),
        json.dumps(
            {"reason": 'Un "café" : \\ id_server', "id_serve": "x", "x": "id_server"}
        ).encode(),
        b"{}",
    ]
    for body in bodies:
        assert door.ask("POST", path, body).got_through
        assert door.ask("PUT", path, [body[:1], body[1:]]).got_through
    assert door.reached == [(method, path, body) for body in bodies for method in ("POST", "PUT")]


@pytest.mark.parametrize(
    "text",
    [
        r'{"id\u005fserver":"vector.example"}',
        r'{"\u0069d_server":"vector.example"}',
        r'{"id_server":"vector.example","id_server":"guichet.example.org"}',
        r'{"id_server":"guichet.example.org","id_server":"vector.example"}',
        r'{"id_server":"guichet.example.org","id\u005Fserver" : "vector.example"}',
        r'{"id_server":"guichet\u002eexample.org"}',
        r'{"id_server":"guichet.example.org\u002evector.example"}',
        r'{"id_server":"VECTOR.EXAMPLE"}',
        r'{"id_server":"guichet.example.org.vector.example"}',
        r'{"id_server":"guichet.example.org@vector.example"}',
        r'{"id_server":"guichet.example.org/vector"}',
        r'{"id_server":"guichet-example.org"}',
        r'{"id_server":"guichet.example.org:8448"}',
        r'{"id_server":" guichet.example.org"}',
        r'{"id_server":null}',
        r'{"id_server":["guichet.example.org"]}',
        r'{"id_server":{"id_server":"guichet.example.org"}}',
        '{"id_server"\n\t:\r\n "vector.example"}',
        '{"reason":"\\\\","id_server":"vector.example"}',
        '{"reason":"\\\\\\"","id_server":"vector.example"}',
        '\ufeff{"id_server":"vector.example"}',
        '{"reason":"\n","id_server":"vector.example"}',
        '{"id_server":"vector.example"',
        "",
        '"',
        '{"reason":"never closed}',
    ],
)
def test_no_spelling_of_another_identity_server_gets_through(door, text):
    door.reached.clear()
    assert is_refusal(door.invite(text), FOREIGN)
    assert is_refusal(door.ask("PUT", f"{INVITE}/1", [text.encode()] if text else b""), FOREIGN)
    assert is_refusal(door.ask("POST", INVITE, (text or "{}").encode("utf-16")), FOREIGN)
    assert door.reached == []


def test_a_request_without_a_body_for_these_is_left_to_the_homeserver(door):
    for path in NAMES_ONE:
        assert door.ask("OPTIONS", path, Origin="https://client.example").got_through
        assert door.ask("GET", path).got_through


def test_what_is_too_long_to_be_looked_at_is_refused(door):
    door.reached.clear()
    most = b" " * (MOST - 100)
    assert is_refusal(door.ask("POST", INVITE, most + b'{"id_server":"vector.example"}'), FOREIGN)
    assert door.ask("POST", INVITE, most + b'{"id_server":"guichet.example.org"}').got_through
    assert door.ask("POST", INVITE, b"[" + b'{"a":1},' * 30_000 + b"1]").got_through
    escaped = b'["' + b"\\n" * 100_000 + b'"]'
    assert door.ask("POST", INVITE, escaped).got_through
    door.reached.clear()
    for body in (most + b" " * 200, [most, b" " * 200]):
        answer = door.ask("POST", INVITE, body)
        assert (answer.status, answer.body["errcode"]) == (413, "M_TOO_LARGE")
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert door.reached == []


class Pairs(list):
    """An object as it was read: duplicates stay."""


def named(value: Any) -> Iterator[Any]:
    """Every value that stands under id_server, however deep."""
    if isinstance(value, Pairs):
        for key, inner in value:
            if key == "id_server":
                yield inner
            yield from named(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from named(inner)


BLANK = st.text(" \t\r\n", max_size=2)


@st.composite
def written(draw, text: str) -> str:
    """A JSON string, some of its characters escaped."""
    return '"' + "".join(
        f"\\u{ord(each):04x}"
        if draw(st.integers(0, 19)) == 0
        else json.dumps(each, ensure_ascii=False)[1:-1]
        for each in text
    ) + '"'  # fmt: skip


WORDS = [
    "id_server",
    "ID_SERVER",
    OURS,
    "vector.example",
    "address",
    '"',
    "\\",
    ":",
    'é", "',
    "\\u",
    "",
]
STRING = st.sampled_from(WORDS).flatmap(written)


def _object(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pair = st.builds("{}{}{}:{}{}{}".format, BLANK, STRING, BLANK, BLANK, inner, BLANK)
    return st.lists(pair, max_size=4).map(lambda pairs: "{" + ",".join(pairs) + "}")


DOCUMENT = st.recursive(
    STRING | st.sampled_from(["1", "null", "true"]),
    lambda inner: (
        _object(inner) | st.lists(inner, max_size=3).map(lambda all_: f"[{','.join(all_)}]")
    ),
    max_leaves=12,
)


@settings(max_examples=200)
@given(_object(DOCUMENT))
def test_what_gets_through_names_no_other_identity_server(door, text):
    read = json.loads(text, object_pairs_hook=Pairs)
    answer = door.invite(text)
    if any(each != OURS for each in named(read)):
        assert is_refusal(answer, FOREIGN)
    elif "\\" not in text:
        assert answer.got_through
    else:
        assert answer.got_through or is_refusal(answer, FOREIGN)


@settings(max_examples=200)
@given(st.text(alphabet='"\\:{},_ \n' + "idserver" + "u0056f", max_size=40))
def test_no_broken_text_hides_one(door, text):
    """A text that Synapse would read after all is judged as it reads it."""
    answer = door.invite(text)
    try:
        read = json.loads(text, object_pairs_hook=Pairs)
    except ValueError:
        return
    assert not (answer.got_through and any(each != OURS for each in named(read)))


# --- What guests may not ask

CLOSED = [
    ("GET", "/_matrix/client/v3/publicRooms"),
    ("POST", "/_matrix/client/r0/publicRooms?server=other.example"),
    ("GET", "/_matrix/client/api/v1/publicRooms"),
    ("GET", "/_matrix/client/v3/directory/room/%23salon%3Aother.example"),
    ("GET", "/_matrix/client/v3/directory/room/%23a%2Fb%0Ac%3Aother.example"),
    ("GET", "/_matrix/client/v3/directory/list/room/!a:other.example"),
    ("POST", "/_matrix/client/v3/knock/!a:other.example"),
    ("POST", "/_matrix/client/unstable/knock/%23a%3Aother.example"),
    ("POST", "/_matrix/client/v3/join/%23salon%3Aother.example"),
    ("POST", "/_matrix/client/r0/join/%23salon:other.example?server_name=other.example"),
    ("PUT", "/_matrix/client/v3/join/%23salon%3Aother.example/1"),
    ("GET", "/_matrix/client/v3/rooms/!a:other.example/initialSync"),
    ("GET", "/_matrix/client/v3/rooms/%21a%2F%0A%3Aother.example/initialSync?limit=1"),
    ("GET", "/_matrix/client/v1/rooms/!a:other.example/hierarchy"),
    ("GET", "/_matrix/client/v1/rooms/!a%2Fb:other.example/hierarchy"),
    ("GET", "/_matrix/client/v1/room_summary/%23salon%3Aother.example"),
    ("GET", "/_matrix/client/unstable/im.nheko.summary/rooms/!a:other.example/summary"),
    ("GET", "/_matrix/client/unstable/im.nheko.summary/summary/!a:other.example"),
    ("GET", "/_matrix/client/v3/events?room_id=!a:other.example"),
    ("GET", "/_matrix/client/api/v1/events/$event"),
]
OPEN = [
    ("POST", "/_matrix/client/v3/join/!a:other.example"),
    ("POST", "/_matrix/client/v3/join/%21a%3Aother.example?via=other.example"),
    ("POST", "/_matrix/client/v3/rooms/!a:other.example/join"),
    ("POST", "/_matrix/client/v3/rooms/!a:other.example/leave"),
    ("GET", "/_matrix/client/v3/rooms/!a:other.example/messages?dir=b"),
    ("PUT", "/_matrix/client/v3/rooms/!a:other.example/send/m.room.message/1"),
    ("GET", "/_matrix/client/v3/rooms/!a:other.example/state"),
    ("GET", "/_matrix/client/v3/sync"),
    ("GET", "/_matrix/client/v3/initialSync"),
    ("POST", "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync"),
    ("POST", "/_matrix/client/v3/keys/query"),
    ("GET", "/_matrix/client/versions"),
    ("GET", "/_matrix/client/v3/profile/@a:other.example"),
    ("GET", "/.well-known/matrix/client"),
    ("PUT", "/_matrix/client/v3/rooms/!a:other.example/state/m.room.name/"),
]


@pytest.mark.parametrize(("method", "path"), CLOSED)
def test_guests_are_refused_agents_get_through_and_nobody_is_told_to_sign_in(door, method, path):
    door.reached.clear()
    assert is_refusal(door.ask(method, path, b"{}", who="guest"), "not_allowed")
    for who in ("", "unknown"):
        answer = door.ask(method, path, b"{}", who=who)
        assert not answer.got_through
        assert (answer.status, answer.body["errcode"]) == (401, "M_MISSING_TOKEN")
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert door.reached == []
    assert door.ask(method, path, b"{}", who="agent").got_through
    assert door.ask("OPTIONS", path, Origin="https://client.example").got_through
    assert door.reached == [(method, path, b"{}"), ("OPTIONS", path, b"")]


@pytest.mark.parametrize(("method", "path"), OPEN)
def test_what_guests_may_do_is_untouched(door, method, path):
    door.reached.clear()
    assert door.ask(method, path, b"{}", who="guest").got_through
    assert door.reached == [(method, path, b"{}")]


@pytest.mark.parametrize(
    "path",
    [
        "/_matrix/client/v3/knock/%23a%2F..%2F..%2Fsync%3Aother.example",
        "/_matrix/client/v3/directory/room/%23a/../../../sync",
        "/_matrix/client/v3/directory/room/%23a%2f%2E%2e%2f%2e%2E%2fsync",
        "/_matrix/client/v3/rooms/!a%2F.%2Fb/invite",
        "/_matrix/client/v3/rooms/!a:b.example#/hierarchy",
        "/_matrix/client/v3/join/#salon:other.example",
        "/_matrix/client/v3/rooms/..",
    ],
)
def test_a_path_that_two_programs_may_read_differently_gets_nowhere(door, path):
    door.reached.clear()
    for who in ("guest", "agent"):
        answer = door.ask("POST", path, b"{}", who=who)
        assert (answer.status, answer.body["errcode"]) == (400, "M_UNRECOGNIZED")
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert door.reached == []


def test_whoever_floods_others_with_messages_between_devices_has_to_wait(door):
    def send(who: str) -> Answer:
        return door.ask("PUT", "/_matrix/client/v3/sendToDevice/m.dummy/1", b"{}", who=who)

    # The key of a room for many devices goes through at once.
    assert all(send("agent").got_through for _ in range(200))
    answers = (send("agent") for _ in range(5_000))
    refused = next(answer for answer in answers if not answer.got_through)
    assert (refused.status, refused.body["errcode"]) == (429, "M_LIMIT_EXCEEDED")
    assert refused.body["retry_after_ms"] > 0
    assert refused.headers["Access-Control-Allow-Origin"] == "*"
    assert send("guest").got_through
    assert door.ask("GET", "/_matrix/client/v3/sync", who="agent").got_through
