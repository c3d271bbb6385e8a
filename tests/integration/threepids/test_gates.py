"""What asks for a token and for accepted terms, and what must not."""

from dataclasses import replace

import pytest

from identity.app import create_app
from identity.threepids.terms import Policy, Terms, Text
from tests.worlds.api import *
from tests.worlds.programs import ADDRESS, CAMILLE, SECRET, Program, refused

TERMS = Terms({"privacy": Policy("1.0", {"fr": Text("Confidentialité", "https://x.example/fr")})})
THREEPID = {"medium": "email", "address": ADDRESS}
GATED = [
    ("POST", "/validate/email/requestToken"),
    ("POST", "/validate/email/submitToken"),
    ("GET", "/3pid/getValidated3pid"),
    ("POST", "/3pid/bind"),
    ("POST", "/store-invite"),
    ("POST", "/sign-ed25519"),
]


@pytest.fixture
def strict(decided) -> Program:
    """Camille's client, where terms are to be accepted first, and she has not."""
    services = replace(decided, terms=TERMS)
    return Program(create_app(services).test_client(), services)


def call(program, method, path):
    return program.get(path) if method == "GET" else program.post(path)


@pytest.mark.parametrize(("method", "path"), GATED)
def test_what_changes_something_asks_for_accepted_terms(strict, method, path):
    assert refused(call(strict, method, path)) == (403, "M_TERMS_NOT_SIGNED")


@pytest.mark.parametrize(("method", "path"), GATED)
def test_what_changes_something_asks_for_a_token(public, decided, method, path):
    stranger = Program(public, decided, user_id=None)
    assert refused(call(stranger, method, path)) == (401, "M_UNAUTHORIZED")
    stranger.token = "unknown"
    assert refused(call(stranger, method, path)) == (401, "M_UNAUTHORIZED")


@pytest.mark.parametrize(("method", "path"), [*GATED, ("POST", "/3pid/unbind")])
def test_a_preflight_asks_for_nothing(public, method, path):
    answer = public.options(f"/_matrix/identity/v2{path}")
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize(("method", "path"), GATED)
def test_another_method_is_unrecognised(public, path, method):
    assert refused(public.delete(f"/_matrix/identity/v2{path}")) == (405, "M_UNRECOGNIZED")


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'"x"', b"{", b"\xff", b"[" * 5000])
@pytest.mark.parametrize("path", [path for method, path in GATED if method == "POST"])
def test_what_is_no_json_object_is_refused(public, decided, path, body):
    camille = Program(public, decided)
    answer = public.post(f"/_matrix/identity/v2{path}", data=body, headers=camille.headers)
    assert refused(answer) == (400, "M_BAD_JSON")


def test_unbinding_by_the_proof_asks_for_no_terms(strict, decided):
    free = Program(create_app(decided).test_client(), decided)
    sid = free.prove()
    free.bind(sid)
    body = {"threepid": THREEPID, "mxid": CAMILLE}
    assert refused(strict.post("/3pid/unbind", **body)) == (403, "M_TERMS_NOT_SIGNED")
    strict.token = None
    proof = {"sid": sid, "client_secret": SECRET}
    assert strict.post("/3pid/unbind", **body, **proof).status_code == 200
    assert strict.owner() is None


def test_the_specifications_link_asks_for_neither(strict, decided):
    free = Program(create_app(decided).test_client(), decided)
    sid = free.ask().json["sid"]
    strict.token = None
    query = {"sid": sid, "client_secret": SECRET, "token": free.code(sid)}
    answer = strict.get("/validate/email/submitToken", **query)
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
