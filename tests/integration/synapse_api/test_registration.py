"""A homeserver asks whether an address may have an account there, now."""

from datetime import timedelta

import pytest

from identity.homeservers import credentials
from identity.homeservers.models import Homeserver
from tests.worlds.api import *

PATH = "/api/homeserver/v1/may-register"


@pytest.fixture
def guests(services, clock) -> dict[str, str]:
    with services.database.transaction() as session:
        token = credentials.issue(session, clock(), homeserver="guests.example")
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def is_allowed(either, guests):
    def is_allowed(address: str, headers=None) -> bool:
        body = {"medium": "email", "address": address}
        answer = either.post(PATH, json=body, headers=guests if headers is None else headers)
        assert answer.status_code == 200, answer.text
        return answer.json["allowed"]

    return is_allowed


def test_who_needs_an_invitation_comes_in_with_a_live_one_alone(is_allowed, invite, clock):
    assert not is_allowed("gil@asso.example")
    invite()
    assert is_allowed("Gil@Asso.example")
    assert not is_allowed("guy@asso.example")
    clock.advance(days=31)
    assert not is_allowed("gil@asso.example")


def test_an_invitation_that_was_ended_opens_nothing(is_allowed, invite, clock):
    invite(ended_at=clock() - timedelta(seconds=1), state="revoked")
    assert not is_allowed("gil@asso.example")


def test_each_homeserver_hears_of_its_own_people_alone(is_allowed, credential):
    assert is_allowed("ana@ac-rouen.example", credential)
    assert not is_allowed("ana@ac-rouen.example")
    assert not is_allowed("gil+1@asso.example", credential)


def test_a_protected_homeserver_takes_its_people_too(services, clock, is_allowed):
    inside = Homeserver(
        name="inside.example",
        url="http://127.0.0.1:1",
        label="",
        connector="none",
        user_id_scheme="address",
        class_source="agent",
        created_at=clock(),
    )
    with services.database.transaction() as session:
        session.add(inside)
        session.flush()
        token = credentials.issue(session, clock(), homeserver="inside.example")
    assert is_allowed("ana@defense.example", {"Authorization": f"Bearer {token}"})


def test_without_credential_nobody_is_told(either):
    body = {"medium": "email", "address": "gil@asso.example"}
    assert either.post(PATH, json=body).status_code == 403


@pytest.mark.parametrize(
    "asked", [{"medium": "msisdn", "address": "33612345678"}, {"medium": "email", "address": "?"}]
)
def test_what_is_no_address_is_refused_with_its_reason(either, guests, asked):
    assert either.post(PATH, json=asked, headers=guests).status_code == 400
