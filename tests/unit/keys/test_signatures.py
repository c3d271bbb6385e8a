"""Keys sign JSON that others verify, and what others signed is verified."""

import pytest
from pydantic import SecretStr

from identity.core.signatures import (
    NotSigned,
    SigningKey,
    WrongKey,
    decode_base64,
    new_key,
    read_private_key,
    verify,
)

US = "guichet.example"
FACTS = {"mxid": "@ana:x.example", "b": [1, {"é": None}], "a": "ü"}
# The specification's own vectors, appendix "Cryptographic Test Vectors".
SEED = SecretStr("YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1")
VECTORS = [
    (
        {},
        "K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV/7Xg4ahLwYGYZzuHGZKM5ZAQ",
    ),
    (
        {"one": 1, "two": "Two"},
        "KqmLSbO39/Bzb0QIYE82zqLwsA+PDzYIpIRA2sRQ4sL53+sN6/fpNSoqE7BP7vBZhG6kYdD13EIMJpvhJI+6Bw",
    ),
]


@pytest.mark.parametrize(("facts", "signature"), VECTORS)
def test_signatures_are_those_of_the_specification(facts, signature):
    signed = SigningKey("ed25519:1", SEED).sign(facts, server_name="domain")
    assert signed == facts | {"signatures": {"domain": {"ed25519:1": signature}}}


def test_what_is_signed_is_verified_by_the_public_half():
    key = new_key()
    signed = key.sign(FACTS, server_name=US)
    verify(signed, signer=US, key_id=key.key_id, public_key=key.public)
    assert {name: signed[name] for name in FACTS} == FACTS


def test_other_signatures_stay_and_the_given_object_is_left_alone():
    given = FACTS | {"signatures": {"other.example": {"ed25519:1": "x"}}}
    signed = new_key("mine").sign(given, server_name=US)
    assert set(signed["signatures"]) == {"other.example", US}
    assert set(given["signatures"]) == {"other.example"}


@pytest.mark.parametrize(
    "changed",
    [
        {"mxid": "@gil:x.example"},
        {"more": 1},
        {"signatures": {}},
        {"signatures": 5},
        {"a": "\ud800"},
    ],
)
def test_what_was_changed_is_not_signed(changed):
    key = new_key()
    signed = key.sign(FACTS, server_name=US) | changed
    with pytest.raises(NotSigned):
        verify(signed, signer=US, key_id=key.key_id, public_key=key.public)


def test_another_signer_or_key_did_not_sign():
    key = new_key("one")
    signed = key.sign(FACTS, server_name=US)
    asked = {"signer": US, "key_id": key.key_id, "public_key": key.public}
    for wrong in (
        {"signer": "other.example"},
        {"key_id": "ed25519:two"},
        {"public_key": new_key().public},
        {"public_key": "AAAA"},
        {"public_key": "é"},
    ):
        with pytest.raises(NotSigned):
            verify(signed, **asked | wrong)


def test_a_seed_is_read_in_both_alphabets_padded_or_not():
    seed = new_key().seed.get_secret_value()
    for written in (seed, seed + "=", seed.replace("+", "-").replace("/", "_")):
        assert read_private_key(written).public == read_private_key(seed).public


@pytest.mark.parametrize("text", ["", "A", "AAAA", "A" * 44, "A" * 86, "é" * 43, "A" * 42 + "!"])
def test_what_is_no_seed_is_said_to_be_none(text):
    with pytest.raises(WrongKey):
        read_private_key(text)


def test_a_key_does_not_show_its_seed():
    key = new_key()
    assert key.seed.get_secret_value() not in repr(key)
    assert len(decode_base64(key.public)) == 32
