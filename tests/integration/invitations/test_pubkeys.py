"""/pubkey, in v2 and where it was in v1."""

import pytest

from identity.core.journal import Actor
from identity.core.signatures import decode_base64
from identity.keys import models as stored_keys, service as signing_keys
from tests.worlds.api import *
from tests.worlds.programs import V2, refused

V1 = "/_matrix/identity/api/v1"
US = Actor("tests", "here")


@pytest.fixture(params=[V1, V2], ids=["v1", "v2"])
def at(request) -> str:
    return f"{request.param}/pubkey"


@pytest.fixture
def key(services, clock):
    with services.database.transaction() as session:
        return signing_keys.current_key(session, services.vault, clock())


def is_valid(public, at, text, kind="") -> bool:
    answer = public.get(f"{at}{kind}/isvalid", query_string={"public_key": text})
    assert answer.status_code == 200
    return answer.json["valid"]


@pytest.mark.parametrize("colon", [":", "%3A", "%3a"])
def test_a_key_is_told_by_its_name(public, at, key, colon):
    answer = public.get(f"{at}/{key.key_id.replace(':', colon)}")
    assert (answer.status_code, answer.json) == (200, {"public_key": key.public})


@pytest.mark.parametrize("name", ["ed25519:other", "ed25519", "x", "%00", "ed25519:%00", "é"])
def test_an_unknown_name_is_not_found(public, at, key, name):
    assert refused(public.get(f"{at}/{name}")) == (404, "M_NOT_FOUND")


def test_our_key_is_valid_in_every_base64(public, at, key):
    url_safe = key.public.replace("+", "-").replace("/", "_")
    for text in (key.public, key.public + "=", url_safe, url_safe + "="):
        assert is_valid(public, at, text)


def test_a_plus_that_nobody_encoded_is_a_plus(public, at, services, clock):
    with services.database.transaction() as session:
        key = signing_keys.current_key(session, services.vault, clock())
        while "+" not in key.public:
            key = signing_keys.rotate(session, services.vault, clock(), US)
    assert public.get(f"{at}/isvalid?public_key={key.public}").json == {"valid": True}


@pytest.mark.parametrize("text", ["", "x", "AAAA", "A" * 43, "é", "\0", "A" * 5000])
def test_any_other_text_is_not_valid_and_no_error(public, at, key, text):
    assert not is_valid(public, at, text)
    assert not is_valid(public, at, text, "/ephemeral")


def test_without_a_key_something_is_missing(public, at):
    assert refused(public.get(f"{at}/isvalid")) == (400, "M_MISSING_PARAMS")
    assert refused(public.get(f"{at}/ephemeral/isvalid")) == (400, "M_MISSING_PARAMS")


def test_an_old_key_stays_valid_after_a_rotation(public, at, key, services, clock):
    with services.database.transaction() as session:
        newer = signing_keys.rotate(session, services.vault, clock(), US)
        assert signing_keys.current_key(session, services.vault, clock()).key_id == newer.key_id
    assert is_valid(public, at, key.public)
    assert is_valid(public, at, newer.public)
    assert public.get(f"{at}/{key.key_id}").json == {"public_key": key.public}


def test_a_key_of_the_service_is_no_key_of_an_invitation(public, at, key):
    assert not is_valid(public, at, key.public, "/ephemeral")


def test_one_key_is_made_on_first_need_and_stays(services, clock):
    made = set()
    for _ in range(3):
        with services.database.transaction() as session:
            made.add(signing_keys.current_key(session, services.vault, clock()).key_id)
    assert len(made) == 1


def test_the_private_half_is_sealed_in_the_database(services, key):
    with services.database.reading() as session:
        row = stored_keys.find(session, key.key_id)
    seed = key.seed.get_secret_value()
    assert len(decode_base64(seed)) == 32
    assert seed not in row.sealed_seed
    assert services.vault.open(row.sealed_seed).get_secret_value() == seed
