"""How long a talk with a homeserver may last, whatever it sends."""

import gzip
import json
import socket
import threading
import time
from contextlib import suppress
from itertools import chain, cycle, repeat

import pytest

from identity.core import deadlines, metrics
from identity.core.deadlines import Deadline, Watchdog
from identity.core.http_client import Away, JsonClient
from tests.services.hostile_peer import HostilePeer
from tests.services.waiting import LOOPBACK, wait_for

SECONDS = 10.0
SOON = 0.6  # seconds a hostile homeserver is given
LONG = 20.0  # seconds that no call with SOON can take, however busy this machine is
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.fixture
def passes(monkeypatch):
    """`passes(8)`: so many seconds go by."""
    now = [0.0]
    monkeypatch.setattr(deadlines.time, "monotonic", lambda: now[0])

    def passes(seconds):
        now[0] += seconds

    return passes


def test_several_calls_share_one_deadline(told_homeserver, passes):
    with JsonClient(told_homeserver.url, seconds=SECONDS) as talk:
        assert talk.call("GET", "/first").status == 200
        passes(8)
        assert talk.call("GET", "/second").status == 200
        passes(8)
        with pytest.raises(Away):
            talk.call("GET", "/third")


def test_questions_that_do_not_hang_together_have_one_each(told_homeserver, passes):
    with JsonClient(told_homeserver.url, seconds=SECONDS, one_deadline=False) as talk:
        for path in ("/first", "/second", "/third"):
            assert talk.call("GET", path).status == 200
            passes(8)


@pytest.fixture
def hostile():
    """`hostile(pieces)`: a homeserver that says these."""
    made = []

    def hostile(said, **facts) -> HostilePeer:
        made.append(HostilePeer(said, **facts))
        return made[-1]

    yield hostile
    for peer in made:
        peer.close()


def drip(text: bytes):
    return (text[at : at + 1] for at in range(len(text)))


def endlessly(*pieces: bytes):
    return cycle(pieces)


ENDLESS = {
    "silence": list,
    "a status line": lambda: endlessly(b"H"),
    "100 Continue": lambda: endlessly(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "100 Continue with headers": lambda: endlessly(b"HTTP/1.1 100 Continue\r\nA: b\r\n", b"\r\n"),
    "one header": lambda: chain([HEAD], endlessly(b"a")),
    "headers": lambda: chain([HEAD], drip(b"A: b\r\n" * 99)),
    "a body": lambda: chain([HEAD, b"Content-Length: 900000\r\n\r\n"], endlessly(b" ")),
    "a body without length": lambda: chain([HEAD, b"Connection: close\r\n\r\n{"], endlessly(b" ")),
    "a size of a chunk": lambda: chain(
        [HEAD, b"Transfer-Encoding: chunked\r\n\r\n1"], endlessly(b";")
    ),
    "chunks": lambda: chain(
        [HEAD, b"Transfer-Encoding: chunked\r\n\r\n"], endlessly(b"1\r\n", b" \r\n")
    ),
    "trailers": lambda: chain(
        [HEAD, b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"], endlessly(b"A: b\r\n")
    ),
    "empty gzip": lambda: chain(
        [HEAD, b"Content-Encoding: gzip\r\nConnection: close\r\n\r\n"], repeat(gzip.compress(b""))
    ),
}


@pytest.mark.faults
@pytest.mark.parametrize("what", ENDLESS)
def test_a_homeserver_that_drips_for_ever_is_left_at_the_deadline(hostile, what, record_fault):
    peer = hostile(ENDLESS[what])
    begun = time.monotonic()
    with JsonClient(peer.url, seconds=SOON) as talk, pytest.raises(Away) as away:
        talk.call("GET", "/")
    assert time.monotonic() - begun < LONG
    record_fault(
        f"homeserver: drips for ever, deadline {SOON} s",
        tried=1,
        survived=1,
        seconds=time.monotonic() - begun,
        said="away",
    )
    assert away.value.status is None
    assert away.value.sent or not peer.heard
    wait_for(lambda: not peer.open, what="the connection is closed")


FLOODS = {
    "100 Continue": ENDLESS["100 Continue"],
    "headers": lambda: chain([HEAD], repeat(b"A: b\r\n")),
    "one header": lambda: chain([HEAD, b"A: "], repeat(b"a" * 10_000)),
    "a body": lambda: chain([HEAD, b"Connection: close\r\n\r\n{"], repeat(b" " * 65_536)),
    "a gzip bomb": lambda: [
        HEAD + b"Content-Encoding: gzip\r\nConnection: close\r\n\r\n",
        gzip.compress(b'{"a": "' + b"a" * 20_000_000 + b'"}', compresslevel=1),
    ],
    "empty gzip": ENDLESS["empty gzip"],
}


@pytest.mark.parametrize("what", FLOODS)
def test_a_homeserver_that_pours_for_ever_is_left_too(hostile, what):
    peer = hostile(FLOODS[what], pause=0)
    begun = time.monotonic()
    with JsonClient(peer.url, seconds=SOON) as talk, pytest.raises(Away):
        talk.call("GET", "/")
    assert time.monotonic() - begun < LONG
    wait_for(lambda: not peer.open, what="the connection is closed")


def test_an_answer_that_ends_at_the_cut_is_none(hostile):
    """Without a length, the end of the connection is the end of the answer."""
    peer = hostile(lambda: [HEAD, b"Connection: close\r\n\r\n", b"{}"])
    with JsonClient(peer.url, seconds=SOON) as talk, pytest.raises(Away) as away:
        talk.call("GET", "/")
    assert away.value.status is None


@pytest.mark.parametrize("body", [lambda: [b"{}"], lambda: repeat(b" " * 65_536)])
def test_a_redirection_is_neither_followed_nor_read(hostile, body):
    again = b"HTTP/1.1 302 Found\r\nLocation: /\r\nConnection: close\r\n\r\n"
    peer = hostile(lambda: chain([again], body()), pause=0)
    with JsonClient(peer.url, seconds=LONG) as talk, pytest.raises(Away) as away:
        talk.call("GET", "/")
    assert (str(away.value), away.value.status) == ("ValueError", 302)
    assert len(peer.heard) == 1


def test_one_that_does_not_take_the_question_is_left_at_the_deadline(hostile):
    peer = hostile(list, reads=False)
    begun = time.monotonic()
    with JsonClient(peer.url, seconds=SOON) as talk, pytest.raises(Away):
        talk.call("POST", "/", body={"much": "x" * 10_000_000})
    assert time.monotonic() - begun < LONG


@pytest.mark.faults
@pytest.mark.parametrize("said", [list, lambda: endlessly(b"\x16\x03\x03\x40\x00" + b"\x02" * 9)])
def test_tls_that_never_begins_has_sent_nothing(hostile, said, record_fault):
    peer = hostile(said)
    begun = time.monotonic()
    url = peer.url.replace("http:", "https:")
    with JsonClient(url, seconds=SOON) as talk, pytest.raises(Away) as away:
        talk.call("GET", "/")
    assert time.monotonic() - begun < LONG
    assert not away.value.sent
    record_fault(
        f"homeserver: TLS never begins, deadline {SOON} s",
        tried=1,
        survived=1,
        seconds=time.monotonic() - begun,
        said="away; nothing was sent, so it may be tried again",
    )


@pytest.fixture
def silent_names(monkeypatch):
    """The system's resolver asks a name server that says nothing; gives the names it was asked."""
    asked, ends, real = [], threading.Event(), socket.getaddrinfo

    def never(host, *facts, flags=0, **more):
        if flags & socket.AI_NUMERICHOST:
            return real(host, *facts, flags=flags, **more)
        asked.append(host)
        ends.wait()
        raise socket.gaierror(socket.EAI_AGAIN, "no answer")

    monkeypatch.setattr(socket, "getaddrinfo", never)
    yield asked
    ends.set()


@pytest.mark.faults
def test_a_name_server_that_is_silent_has_no_longer_and_is_asked_once_at_a_time(
    silent_names, record_fault
):
    begun = time.monotonic()
    for _ in range(3):
        with (
            JsonClient("http://matrix.example", seconds=0.2) as talk,
            pytest.raises(Away) as away,
        ):
            talk.call("GET", "/")
        assert not away.value.sent
    assert time.monotonic() - begun < LONG
    record_fault(
        "homeserver: the name server is silent, deadline 0.2 s",
        tried=3,
        survived=3,
        seconds=(time.monotonic() - begun) / 3,
        said="away; asked once for all three",
    )
    assert silent_names == ["matrix.example"]


def test_the_next_question_finds_another_connection_after_one_was_cut(hostile):
    first = threading.Event()

    def once():
        if first.is_set():
            return [HEAD + b"Content-Length: 2\r\n\r\n{}"]
        first.set()
        return []

    peer = hostile(once)
    # The second question has as long as the first: enough for an answer on a busy machine.
    with JsonClient(peer.url, seconds=5 * SOON, one_deadline=False) as talk:
        with pytest.raises(Away):
            talk.call("GET", "/")
        assert talk.call("GET", "/").status == 200


def test_what_was_closed_before_is_not_shut_down_in_the_place_of_another(hostile):
    """The number of a socket that is closed goes to the next one that is opened."""
    peer = hostile(list)
    watchdog = Watchdog()
    with watchdog.until(Deadline(SOON)):
        watchdog.connect(LOOPBACK, peer.port, each=SOON).close()
        with socket.create_connection((LOOPBACK, peer.port)) as other:
            wait_for(lambda: watchdog.has_cut, what="the time is over")
            assert other.send(b"still there") == len("still there")


def counted(name: str) -> dict[str, float]:
    """How the calls to this homeserver ended, as this process has counted them."""
    return {
        sample.labels["result"]: sample.value
        for family in metrics.HOMESERVER_CALLS.collect()
        for sample in family.samples
        if sample.labels.get("homeserver") == name
    }


@pytest.mark.parametrize(
    ("status", "body", "token", "result"),
    [
        (200, {}, "t", "ok"),
        (404, {"errcode": "M_NOT_FOUND"}, "t", "ok"),  # as before each account that is made
        (400, {"errcode": "M_USER_IN_USE"}, "t", "ok"),
        (403, {"errcode": "M_FORBIDDEN", "org.guichet.reason": "not_joined"}, None, "ok"),
        (401, {"errcode": "M_UNKNOWN_TOKEN"}, None, "ok"),  # the token of a person
        (401, {"errcode": "M_UNKNOWN_TOKEN"}, "t", "refused"),  # ours
        (403, {"errcode": "M_FORBIDDEN"}, None, "refused"),
        (404, {"errcode": "M_UNRECOGNIZED"}, "t", "refused"),
        (429, {"errcode": "M_LIMIT_EXCEEDED"}, "t", "limited"),
        (502, {}, "t", "away"),
    ],
)
def test_only_what_an_operator_has_to_mend_counts_as_refused(hostile, status, body, token, result):
    said = json.dumps(body).encode()
    head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(said)}\r\n\r\n".encode()
    name = f"{status}-{token}-{'-'.join(body.values())}.example"
    with (
        JsonClient(hostile(lambda: [head, said]).url, seconds=LONG, server_name=name) as talk,
        suppress(Away),
    ):
        talk.call("GET", "/", token=token)
    assert counted(name) == {result: 1}
