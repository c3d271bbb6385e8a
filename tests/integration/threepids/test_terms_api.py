"""/terms, and who has not accepted them."""

from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from identity.app import create_app
from identity.threepids.terms import Policy, Terms, Text
from tests.worlds.api import *
from tests.worlds.programs import CAMILLE, V2, Program, refused

PRIVACY = Policy(
    "1.2",
    {
        "fr": Text("Confidentialité", "https://example.org/privacy-1.2-fr"),
        "en": Text("Privacy", "https://example.org/privacy-1.2-en"),
    },
)
USE = Policy("3", {"fr": Text("Conditions", "https://example.org/use-3-fr")})
GATED = [
    ("GET", "/account"),
    ("GET", "/hash_details"),
    ("POST", "/lookup"),
    ("POST", "/validate/email/requestToken"),
    ("POST", "/validate/email/submitToken"),
    ("GET", "/3pid/getValidated3pid"),
    ("POST", "/3pid/bind"),
    ("POST", "/store-invite"),
    ("POST", "/sign-ed25519"),
]
OPEN = [
    ("GET", "/_matrix/identity/versions"),
    ("GET", V2),
    ("GET", f"{V2}/terms"),
    ("GET", f"{V2}/pubkey/isvalid?public_key=x"),
    ("GET", f"{V2}/pubkey/ephemeral/isvalid?public_key=x"),
    ("OPTIONS", f"{V2}/account"),
]


@pytest.fixture
def with_terms(decided):
    def with_terms(**policies: Policy) -> FlaskClient:
        return create_app(replace(decided, terms=Terms(policies))).test_client()

    return with_terms


@pytest.fixture
def client(with_terms) -> FlaskClient:
    return with_terms(privacy=PRIVACY, use=USE)


@pytest.fixture
def camille(client, decided) -> Program:
    return Program(client, decided)


def accepts(program: Program, *urls: str) -> None:
    answer = program.post("/terms", user_accepts=urls)
    assert (answer.status_code, answer.json) == (200, {})


def is_gated(program: Program) -> bool:
    answer = program.get("/account")
    if answer.status_code == 200:
        return False
    assert refused(answer) == (403, "M_TERMS_NOT_SIGNED")
    return True


def test_without_terms_there_are_none_and_nobody_is_asked(public, decided):
    assert public.get(f"{V2}/terms").json == {"policies": {}}
    assert not is_gated(Program(public, decided))


def test_terms_are_read_before_anything_is_accepted(client):
    assert client.get(f"{V2}/terms").json == {
        "policies": {
            "privacy": {
                "version": "1.2",
                "fr": {"name": "Confidentialité", "url": "https://example.org/privacy-1.2-fr"},
                "en": {"name": "Privacy", "url": "https://example.org/privacy-1.2-en"},
            },
            "use": {
                "version": "3",
                "fr": {"name": "Conditions", "url": "https://example.org/use-3-fr"},
            },
        }
    }


@pytest.mark.parametrize(("method", "path"), GATED)
def test_who_has_not_accepted_is_told_so(client, camille, method, path):
    answer = client.open(V2 + path, method=method, headers=camille.headers)
    assert refused(answer) == (403, "M_TERMS_NOT_SIGNED")


@pytest.mark.parametrize(("method", "path"), OPEN)
def test_what_needs_no_account_needs_no_terms(client, method, path):
    assert client.open(path, method=method).status_code == 200


def test_one_may_leave_without_having_accepted(client, camille):
    assert client.post(f"{V2}/account/logout", headers=camille.headers).status_code == 200


def test_accepting_needs_a_token(client):
    answer = client.post(f"{V2}/terms", json={"user_accepts": list(USE.urls)})
    assert refused(answer) == (401, "M_UNAUTHORIZED")


def test_acceptance_adds_up_and_a_part_is_not_enough(camille):
    accepts(camille, "https://example.org/use-3-fr")
    assert is_gated(camille)
    accepts(camille, "https://example.org/privacy-1.2-fr")
    assert not is_gated(camille)
    accepts(camille, "https://example.org/privacy-1.2-fr")
    assert not is_gated(camille)


def test_one_language_counts_for_all(camille):
    accepts(camille, "https://example.org/privacy-1.2-en", "https://example.org/use-3-fr")
    assert not is_gated(camille)


def test_what_one_user_accepts_counts_on_every_device_and_for_nobody_else(client, decided, camille):
    accepts(camille, "https://example.org/privacy-1.2-en", "https://example.org/use-3-fr")
    assert not is_gated(Program(client, decided, user_id=CAMILLE))
    assert is_gated(Program(client, decided, user_id="@zoe:education.example"))


def test_a_new_version_is_asked_for_again(camille, with_terms, decided):
    accepts(camille, *PRIVACY.urls, *USE.urls)
    newer = Policy("4", {"fr": Text("Conditions", "https://example.org/use-4-fr")})
    later = Program(with_terms(privacy=PRIVACY, use=newer), decided, token=camille.token)
    assert is_gated(later)
    accepts(later, "https://example.org/use-4-fr")
    assert not is_gated(later)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"user_accepts": ["https://example.org/other"]}, "M_INVALID_PARAM"),
        ({"user_accepts": "https://example.org/use-3-fr"}, "M_INVALID_PARAM"),
        ({"user_accepts": [5]}, "M_INVALID_PARAM"),
        ({"user_accepts": ["\0"]}, "M_INVALID_PARAM"),
        ({"user_accepts": ["https://example.org/use-3-fr"] * 201}, "M_INVALID_PARAM"),
        ({}, "M_MISSING_PARAMS"),
    ],
)
def test_what_is_none_of_our_texts_is_refused_and_nothing_is_kept(camille, body, code):
    accepts(camille, *PRIVACY.urls)
    assert refused(camille.post("/terms", **body)) == (400, code)
    assert is_gated(camille)
