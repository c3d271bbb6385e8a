"""What holds for every path of the Identity Service API."""

import pytest

from identity.app import MAX_BODY
from tests.worlds.api import *
from tests.worlds.programs import CAMILLE, V2, Program, refused

ROOT = "/_matrix/identity"
CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, POST, PUT, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": "Origin, X-Requested-With, Content-Type, Accept, Authorization",
}
POSTS = [
    "/account/register",
    "/terms",
    "/lookup",
    "/validate/email/requestToken",
    "/validate/email/submitToken",
    "/3pid/bind",
    "/3pid/unbind",
    "/store-invite",
    "/sign-ed25519",
]
GETS = [
    "",
    "/account",
    "/terms",
    "/hash_details",
    "/3pid/getValidated3pid",
    "/pubkey/isvalid",
    "/pubkey/ephemeral/isvalid",
    "/pubkey/ed25519:0",
]
BOTH = {"/terms", "/validate/email/submitToken"}
PATHS = [f"{ROOT}/versions", *(V2 + path for path in (*GETS, *POSTS, "/account/logout"))]


@pytest.fixture
def camille(public, decided) -> Program:
    return Program(public, decided)


def send(camille: Program, path: str, body: bytes, **headers):
    return camille.client.post(V2 + path, data=body, headers=camille.headers | headers)


def is_matrix(answer) -> bool:
    """JSON, an object, readable for a client in a browser."""
    assert answer.headers["Content-Type"].split(";")[0] == "application/json"
    assert isinstance(answer.json, dict)
    assert {name: answer.headers.get(name) for name in CORS} == CORS
    return True


@pytest.mark.parametrize(
    ("method", "path"),
    [
        (method, path)
        for method in ("GET", "POST", "PUT", "DELETE", "PATCH")
        for path in PATHS
        # By the specification, a page for people.
        if (method, path) != ("GET", f"{V2}/validate/email/submitToken")
    ],
)
def test_every_answer_is_a_json_object_for_browsers_too(camille, path, method):
    answer = camille.client.open(path, method=method)
    assert is_matrix(answer)
    assert answer.status_code < 500
    if answer.status_code >= 400:
        assert all(isinstance(answer.json[name], str) for name in ("errcode", "error"))
    if method in {"PUT", "DELETE", "PATCH"}:
        assert refused(answer) == (405, "M_UNRECOGNIZED")


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", p) for p in GETS if p not in BOTH] + [("GET", p) for p in POSTS if p not in BOTH],
)
def test_a_known_path_with_another_method_is_not_allowed(camille, method, path):
    answer = camille.client.open(V2 + path, method=method, headers=camille.headers)
    assert refused(answer) == (405, "M_UNRECOGNIZED")


@pytest.mark.parametrize(
    "path", ["", "/v3", "/v2/x", "/v2/account/x", "/v2/pubkey", "/v2/pubkey/a/b", "/api/v1/lookup"]
)
def test_an_unknown_path_is_not_recognized(camille, path):
    for method in ("GET", "POST"):
        answer = camille.client.open(ROOT + path, method=method, headers=camille.headers)
        assert is_matrix(answer)
        assert refused(answer) == (404, "M_UNRECOGNIZED")


@pytest.mark.parametrize("path", PATHS)
def test_options_needs_nothing_and_has_no_body(public, path):
    answer = public.options(path, headers={"Origin": "https://app.element.io"})
    assert (answer.status_code, answer.data) == (200, b"")
    assert {name: answer.headers.get(name) for name in CORS} == CORS


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff\xfe", b"sid=1&token=2", b"{'a': 1}", b'{"a": NaN}', b'{"a": ' + b"9" * 9000],
    ids=["empty", "cut", "not UTF-8", "a form", "not JSON", "NaN", "a long number"],
)
@pytest.mark.parametrize("path", POSTS)
def test_what_is_no_json_is_refused(camille, path, body):
    assert refused(send(camille, path, body)) == (400, "M_BAD_JSON")


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"null", b"5", b"true", b"[" * 100_000])
@pytest.mark.parametrize("path", POSTS)
def test_what_is_json_but_no_object_is_refused(camille, path, body):
    assert refused(send(camille, path, body)) == (400, "M_BAD_JSON")


@pytest.mark.parametrize("path", POSTS)
def test_an_empty_object_misses_something(camille, path):
    assert refused(send(camille, path, b"{}")) == (400, "M_MISSING_PARAMS")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "application/json"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
    ],
    ids=["none", "json", "text", "form"],
)
def test_json_is_read_whatever_the_content_type(camille, headers):
    answer = send(camille, "/terms", b'{"user_accepts": []}', **headers)
    assert (answer.status_code, answer.json) == (200, {})


def test_http_1_0_is_answered(camille):
    answer = camille.client.get(
        f"{V2}/account", headers=camille.headers, environ_overrides={"SERVER_PROTOCOL": "HTTP/1.0"}
    )
    assert (answer.status_code, answer.json) == (200, {"user_id": CAMILLE})


@pytest.mark.parametrize("path", POSTS)
def test_a_body_over_the_limit_is_too_large(camille, path):
    assert refused(send(camille, path, b" " * (MAX_BODY + 1))) == (413, "M_TOO_LARGE")


def test_versions_are_listed_beside_v2(public):
    versions = public.get(f"{ROOT}/versions").json["versions"]
    assert {"r0.3.0", "v1.1"} <= set(versions)
    for version in versions:
        assert version[0] == ("r" if version.count(".") == 2 else "v")
    assert refused(public.get(f"{V2}/versions")) == (404, "M_UNRECOGNIZED")


@pytest.mark.parametrize("slash", ["", "/"])
def test_the_ping_answers_with_and_without_a_slash(public, slash):
    answer = public.get(V2 + slash)
    assert (answer.status_code, answer.json) == (200, {})
