"""/account, and the guards of the Identity Service API v2."""

from collections.abc import Iterator

import pytest
from sqlalchemy import select

from identity.homeservers.models import Homeserver
from identity.threepids import accounts as identity_accounts
from identity.threepids.account_models import AccessToken
from tests.services.peer import Peer
from tests.worlds.api import *
from tests.worlds.programs import CAMILLE, V2, Program, refused

NAME = "education.example"
OPENID = {
    "access_token": "of:Camille=",
    "token_type": "Bearer",
    "matrix_server_name": NAME,
    "expires_in": 3600,
}
PROTECTED = [
    ("GET", "/account"),
    ("POST", "/account/logout"),
    ("POST", "/terms"),
    ("GET", "/hash_details"),
    ("POST", "/lookup"),
    ("POST", "/validate/email/requestToken"),
    ("POST", "/validate/email/submitToken"),
    ("GET", "/3pid/getValidated3pid"),
    ("POST", "/3pid/bind"),
    ("POST", "/store-invite"),
    ("POST", "/sign-ed25519"),
]


@pytest.fixture
def education(decided) -> Iterator[Peer]:
    """The homeserver of Camille, which vouches for her."""
    peer = Peer(NAME)
    peer.users[OPENID["access_token"]] = CAMILLE
    with decided.database.transaction() as session:
        session.get(Homeserver, NAME).federation_url = peer.url
    yield peer
    peer.close()


@pytest.fixture
def stranger(public, decided) -> Program:
    return Program(public, decided, user_id=None)


@pytest.fixture
def camille(public, decided) -> Program:
    return Program(public, decided)


def test_who_is_vouched_for_gets_a_token(public, decided, stranger, education):
    answer = stranger.post("/account/register", **OPENID)
    assert answer.status_code == 200
    assert answer.json["token"] == answer.json["access_token"]
    camille = Program(public, decided, token=answer.json["token"])
    assert camille.get("/account").json == {"user_id": CAMILLE}


def test_a_homeserver_vouches_for_its_own_users_only(stranger, education):
    education.users["of:Camille="] = "@camille:guests.example"
    assert refused(stranger.post("/account/register", **OPENID)) == (403, "M_FORBIDDEN")


@pytest.mark.parametrize(
    "name",
    ["", "a b", "https://education.example", "education.example/", "é.example", "x" * 300, "a\nb"],
)
def test_what_is_no_server_name_is_said_to_be_none(stranger, education, name):
    answer = stranger.post("/account/register", **OPENID | {"matrix_server_name": name})
    assert refused(answer) == (400, "M_INVALID_PARAM")


def test_a_server_that_is_not_registered_is_refused_and_not_called(stranger, education):
    elsewhere = f"127.0.0.1:{education.port}"
    answer = stranger.post("/account/register", **OPENID | {"matrix_server_name": elsewhere})
    assert refused(answer) == (403, "M_FORBIDDEN")
    assert education.asked == []


def test_a_token_the_homeserver_does_not_know_is_refused(stranger, education):
    answer = stranger.post("/account/register", **OPENID | {"access_token": "stolen"})
    assert refused(answer) == (401, "M_UNAUTHORIZED")


def test_a_homeserver_that_is_away_is_no_fault_of_the_client(stranger, education):
    education.raw = (200, b"<html>")
    answer = stranger.post("/account/register", **OPENID)
    assert refused(answer) == (503, "M_UNKNOWN")
    assert answer.headers["Retry-After"]


@pytest.mark.parametrize("field", ["access_token", "matrix_server_name"])
def test_the_fields_of_the_openid_token_that_are_used_are_needed(stranger, field):
    body = {name: value for name, value in OPENID.items() if name != field}
    assert refused(stranger.post("/account/register", **body)) == (400, "M_MISSING_PARAMS")


@pytest.mark.parametrize(
    "facts",
    [
        {"access_token": 5},
        {"access_token": ""},
        {"access_token": "a\0b"},
        {"access_token": "\ud800"},
        {"token_type": "Basic"},
        {"token_type": 5},
        {"matrix_server_name": ["education.example"]},
        {"expires_in": "soon"},
        {"expires_in": True},
    ],
)
def test_a_field_of_another_type_is_refused(stranger, education, facts):
    answer = stranger.post("/account/register", **OPENID | facts)
    assert refused(answer) == (400, "M_INVALID_PARAM")
    assert education.asked == []


@pytest.mark.parametrize(("method", "path"), PROTECTED)
def test_without_a_token_nobody_comes_in(public, method, path):
    assert refused(public.open(V2 + path, method=method)) == (401, "M_UNAUTHORIZED")


@pytest.mark.parametrize("token", ["unknown", "", "é", "x" * 9000, "a b", "MDE6"])
@pytest.mark.parametrize(("method", "path"), PROTECTED)
def test_an_unknown_token_opens_nothing(public, method, path, token):
    headers = {"Authorization": f"Bearer {token}".encode().decode("latin-1")}
    answer = public.open(V2 + path, method=method, headers=headers)
    assert refused(answer) == (401, "M_UNAUTHORIZED")


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_is_read_in_any_case(public, camille, scheme):
    headers = {"Authorization": f"{scheme} {camille.token}"}
    assert public.get(f"{V2}/account", headers=headers).status_code == 200


@pytest.mark.parametrize(("method", "path"), PROTECTED)
def test_a_token_in_the_query_opens_the_hash_details_only(public, camille, method, path):
    camille_registers(camille)
    answer = public.open(V2 + path, method=method, query_string={"access_token": camille.token})
    assert answer.status_code == (200 if path == "/hash_details" else 401)


def camille_registers(camille: Program) -> None:
    """Whoever registers first makes the first pepper."""
    with camille.services.database.transaction() as session:
        identity_accounts.register(session, camille.services.now(), user_id=CAMILLE)


def test_a_credential_of_a_homeserver_is_no_token_of_a_user(public, credential):
    assert refused(public.get(f"{V2}/account", headers=credential)) == (401, "M_UNAUTHORIZED")


def test_a_token_of_a_user_is_no_credential_of_a_homeserver(public, camille):
    path = "/_matrix/identity/api/v1/internal-info?medium=email&address=ana@a.example"
    assert refused(public.get(path, headers=camille.headers)) == (403, "M_FORBIDDEN")


def test_the_account_says_whose_token_it_is(camille):
    assert camille.get("/account").json == {"user_id": CAMILLE}


def test_after_leaving_the_token_is_unknown_and_others_are_not(public, decided, camille):
    phone = Program(public, decided)
    answer = public.post(f"{V2}/account/logout", headers=camille.headers)
    assert (answer.status_code, answer.json) == (200, {})
    assert refused(camille.get("/account")) == (401, "M_UNAUTHORIZED")
    assert refused(camille.post("/account/logout")) == (401, "M_UNAUTHORIZED")
    assert phone.get("/account").status_code == 200


def test_the_token_outlives_the_openid_token(public, decided, stranger, education, clock):
    token = stranger.post("/account/register", **OPENID | {"expires_in": 1}).json["token"]
    clock.advance(days=89)
    assert Program(public, decided, token=token).get("/account").status_code == 200


def test_tokens_are_not_kept_in_the_clear(decided, stranger, education):
    token = stranger.post("/account/register", **OPENID).json["token"]
    with decided.database.reading() as session:
        rows = session.execute(select(AccessToken.__table__)).all()
    assert len(rows) == 1
    assert token not in str(rows)


def test_one_network_hands_in_so_many_tokens_an_hour_and_asks_homeservers_no_more(
    stranger, education
):
    stolen = OPENID | {"access_token": "stolen"}
    for _ in range(300):
        assert stranger.post("/account/register", **stolen).status_code == 401
    asked = len(education.asked)
    answer = stranger.post("/account/register", **stolen)
    assert refused(answer) == (429, "M_LIMIT_EXCEEDED")
    assert answer.json["retry_after_ms"] == int(answer.headers["Retry-After"]) * 1000 > 0
    assert len(education.asked) == asked
