"""The proxy file for homeservers with guests, in a real nginx: what guests may ask, and what they may not."""

from collections.abc import Iterator

import pytest

from tests.services.homeserver_proxy import Answer, Door, is_refusal, opened

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


@pytest.fixture(scope="module")
def door(tmp_path_factory) -> Iterator[Door]:
    with opened(tmp_path_factory.mktemp("proxy")) as door:
        yield door


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
