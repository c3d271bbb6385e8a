"""`guichet person adopt`: the homeserver is asked by its administration API, and never changed."""

import json

import pytest

from identity.accounts import models as accounts
from tests.services.keys import PUBLIC_HALF
from tests.services.peer import Peer
from tests.worlds.command_line import *
from tests.worlds.command_line import EDUCATION

ANA, HERS = f"@ana:{EDUCATION}", "ana@ac-rouen.example"
WHY = ("--reason", "made before Guichet")
FOUND = {
    "user_id": ANA,  # as holder of the address
    "name": ANA,
    "displayname": "Ana",
    "deactivated": False,
    "threepids": [{"medium": "email", "address": HERS}],
}


@pytest.fixture
def peer():
    opened = Peer(EDUCATION)
    opened.raw = (200, json.dumps(FOUND).encode())
    yield opened
    opened.close()


@pytest.fixture
def asked(run, peer):
    run(
        *("homeserver", "add", EDUCATION, "--url", peer.url, "--connector", "synapse"),
        *("--registration-secret-file", run.file("secret", "a secret")),
        *("--admin-token-file", run.file("token", "a token")),
    )
    run("homeserver", "add", "other.example", "--url", "https://other.example")
    run("domain", "add", "ac-rouen.example", "--homeserver", EDUCATION)
    return run


def adopt(run, *words, ends=0):
    return run("person", "adopt", HERS, "--homeserver", EDUCATION, *WHY, *words, ends=ends)


def test_an_account_is_found_by_its_address_and_adopted_once(asked, opened, peer):
    assert "Nothing was written" in adopt(asked, "--dry-run").stderr
    told = json.loads(adopt(asked, "--json").stdout)
    assert told == {
        "address": HERS,
        "user_id": ANA,
        "class": "agent",
        "is_new": True,
        "dry_run": False,
    }
    assert "in the books already" in adopt(asked).stderr
    with opened.reading() as session:
        assert accounts.find_by_user_id(session, ANA).display_name == "Ana"
    assert "person.adopt by" in asked("person", "show", HERS).stdout


@pytest.mark.parametrize(
    ("changed", "words", "ends", "said"),
    [
        ({"deactivated": True}, (), 3, "is deactivated"),
        ({"threepids": []}, (), 3, "does not have this address"),
        ({"user_id": "@ana:other.example"}, (), 6, "does not answer"),
        ({"name": "@eve:elsewhere"}, (), 6, "does not answer"),
        ({}, ("--user-id", "@ana:other.example"), 2, "is no user of"),
        ({}, ("--user-id", ANA), 0, "in the books now"),
    ],
)
def test_what_the_homeserver_says_must_fit(asked, peer, changed, words, ends, said):
    peer.raw = (200, json.dumps(FOUND | changed).encode())
    assert said in adopt(asked, *words, ends=ends).stderr


def test_an_account_that_is_not_there(asked, peer):
    peer.raw = (404, b'{"errcode": "M_NOT_FOUND"}')
    assert "no account has this address" in adopt(asked, ends=1).stderr
    assert "there is no account" in adopt(asked, "--user-id", ANA, ends=1).stderr


def test_a_homeserver_that_cannot_be_asked(asked, peer):
    said = asked(*("person", "adopt", HERS, "--homeserver", "other.example"), *WHY, ends=1).stderr
    assert "--connector synapse" in said
    asked(*("person", "adopt", HERS, "--homeserver", "nowhere.example"), *WHY, ends=1)
    peer.raw = (200, b"<html>")
    assert "does not answer" in adopt(asked, ends=6).stderr
    peer.raw = (403, b'{"errcode": "M_FORBIDDEN"}')
    assert "refuses" in adopt(asked, ends=1).stderr


def test_who_has_no_private_half_asks_nobody(asked, peer):
    before = len(peer.asked)
    said = asked(
        *("person", "adopt", HERS, "--homeserver", EDUCATION, *WHY),
        env={"GUICHET_HOMESERVER_PUBLIC_KEY": PUBLIC_HALF.text},
        ends=1,
    ).stderr
    assert "GUICHET_HOMESERVER_KEYS" in said
    assert len(peer.asked) == before
