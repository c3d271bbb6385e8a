"""What clients in the field really send, each as its own code writes it, beside what nobody means."""

import json
from collections.abc import Iterator

import pytest
from sqlalchemy import select

from identity.homeservers.models import Homeserver
from identity.threepids.validation_sessions import ValidationSession
from tests.services.peer import Peer
from tests.worlds.api import *
from tests.worlds.programs import ADDRESS, CAMILLE, SECRET, V2, Program, refused

NAME = "education.example"
REGISTER = {
    "matrix-js-sdk: the answer of the homeserver, whole": {
        "access_token": "of:Camille=",
        "token_type": "Bearer",
        "matrix_server_name": NAME,
        "expires_in": 3600,
    },
    "matrix-js-sdk behind a homeserver that adds to it": {
        "access_token": "of:Camille=",
        "token_type": "Bearer",
        "matrix_server_name": NAME,
        "expires_in": 3600,
        "scope": "openid",
        "refresh_token": None,
    },
    "matrix-ios-sdk: every number an NSNumber": {
        "access_token": "of:Camille=",
        "token_type": "Bearer",
        "matrix_server_name": NAME,
        "expires_in": 3600.0,
    },
    "matrix-android-sdk2: nulls are left out": {
        "access_token": "of:Camille=",
        "matrix_server_name": NAME,
    },
    "an older client: numbers as text": {
        "access_token": "of:Camille=",
        "token_type": "bearer",
        "matrix_server_name": NAME,
        "expires_in": "3600",
    },
    "one that writes nulls": {
        "access_token": "of:Camille=",
        "token_type": None,
        "matrix_server_name": NAME,
        "expires_in": None,
    },
    "ruma: without an unused field": {
        "access_token": "of:Camille=",
        "token_type": "Bearer",
        "matrix_server_name": NAME,
    },
}
REQUEST_TOKEN = {
    "matrix-js-sdk: toString()": {"send_attempt": "1"},
    "matrix-js-sdk, with the link of Element Web": {
        "send_attempt": "1",
        "next_link": "https://app.element.io/#/settings",
    },
    "matrix-ios-sdk": {"send_attempt": 1},
    "matrix-android-sdk2": {"send_attempt": 1},
    "ruma": {"send_attempt": 1, "next_link": None},
    "JSON encoders that know one kind of number": {"send_attempt": 1.0},
    "the same, as text": {"send_attempt": "1.0"},
    "Synapse, for its own users": {"send_attempt": 1, "next_link": ""},
    "one with further fields": {"send_attempt": 1, "id_server": "guichet.example", "bind": True},
}
# Numbers of which nobody knows what they mean.
SENSELESS = [
    "-1",
    '"-1"',
    "9007199254740992",
    '"9007199254740992"',
    "9223372036854775808",
    "1" + "0" * 400,
    "1" + "0" * 5000,
    '"' + "1" * 400 + '"',
    "1.5",
    '"1.5"',
    '"abc"',
    '""',
    '" 1"',
    '"+1"',
    '"1e3"',
    '"0x1"',
    '"١"',
    '"1\\u0000"',
    '"1\\n"',
    "true",
    "[1]",
    '{"1": 1}',
    "1e400",
    "NaN",
    "Infinity",
    "-Infinity",
]


@pytest.fixture
def education(decided) -> Iterator[Peer]:
    peer = Peer(NAME)
    peer.users["of:Camille="] = CAMILLE
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


@pytest.mark.parametrize("body", REGISTER.values(), ids=REGISTER)
def test_every_client_gets_a_token(stranger, education, body):
    answer = stranger.client.post(f"{V2}/account/register", json=body)
    assert answer.status_code == 200, answer.json
    assert answer.json["token"]


@pytest.mark.parametrize("field", ["access_token", "matrix_server_name"])
def test_what_is_used_of_the_openid_token_is_needed(stranger, field):
    body = {"access_token": "of:Camille=", "matrix_server_name": NAME}
    assert refused(stranger.post("/account/register", **{**body, field: None}))[0] == 400
    del body[field]
    answer = stranger.post("/account/register", **body)
    assert refused(answer) == (400, "M_MISSING_PARAMS")
    assert answer.json["error"] == f"Missing: {field}."


@pytest.mark.parametrize("facts", REQUEST_TOKEN.values(), ids=REQUEST_TOKEN)
def test_every_client_can_have_a_code_mailed_and_hand_it_in(camille, facts):
    answer = camille.ask(**facts)
    assert answer.status_code == 200, answer.json
    sid = answer.json["sid"]
    assert camille.session(sid).send_attempt == 1
    assert camille.hand_in(sid, camille.code(sid)).json == {"success": True}
    assert camille.bind(sid).status_code == 200
    assert camille.owner() == CAMILLE


def test_a_number_as_text_counts_like_the_number(camille):
    first = camille.ask(send_attempt="9").json["sid"]
    assert camille.ask(send_attempt=9).json["sid"] == first
    assert camille.session(first).send_attempt == 9
    # As text "10" would come before "9".
    assert camille.ask(send_attempt="10").status_code in {200, 429}


@pytest.mark.parametrize("written", SENSELESS)
def test_a_send_attempt_without_a_meaning_is_refused(camille, decided, written):
    facts = json.dumps({"client_secret": SECRET, "email": ADDRESS})[:-1]
    answer = camille.client.post(
        f"{V2}/validate/email/requestToken",
        data=f'{facts}, "send_attempt": {written}}}',
        headers=camille.headers,
    )
    assert refused(answer) in {(400, "M_INVALID_PARAM"), (400, "M_BAD_JSON")}
    with decided.database.reading() as session:
        assert session.scalars(select(ValidationSession)).all() == []


@pytest.mark.parametrize("written", [each for each in SENSELESS if each != "1.5"])
def test_a_life_of_a_token_without_a_meaning_is_refused(stranger, education, written):
    answer = stranger.client.post(
        f"{V2}/account/register",
        data=f'{{"access_token": "of:Camille=", "matrix_server_name": "{NAME}", "expires_in": {written}}}',
    )
    assert refused(answer) in {(400, "M_INVALID_PARAM"), (400, "M_BAD_JSON")}
    assert education.asked == []
