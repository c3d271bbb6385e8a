"""No client names another identity server to a homeserver behind our proxy file, however it is written."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from tests.services.homeserver_proxy import OURS, Door, is_refusal, opened

FOREIGN = "foreign_identity_server"
INVITE = "/_matrix/client/v3/rooms/!a:b.example/invite"
MOST = 256 * 1024


@pytest.fixture(scope="module")
def door(tmp_path_factory) -> Iterator[Door]:
    with opened(tmp_path_factory.mktemp("proxy")) as door:
        yield door


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
    assert is_refusal(door.ask("POST", INVITE, text.encode()), FOREIGN)
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
    answer = door.ask("POST", INVITE, text.encode())
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
    answer = door.ask("POST", INVITE, text.encode())
    try:
        read = json.loads(text, object_pairs_hook=Pairs)
    except ValueError:
        return
    assert not (answer.got_through and any(each != OURS for each in named(read)))
