"""A homeserver asks whose seat somebody may take."""

import pytest

from identity.binding import service as binding
from tests.worlds.api import *

PATH = "/api/homeserver/v1/predecessors"
OLD, NEW = "@gil:guests.example", "@gil:education.example"


@pytest.fixture
def prove(services, clock):
    def prove(user_id, address="gil@asso.example"):
        clock.advance(days=1)
        with services.database.transaction() as session:
            binding.record_verified(session, clock(), address=address, user_id=user_id)

    return prove


@pytest.fixture
def predecessors(either, credential):
    def predecessors(user_id, *left):
        asked = {"user_id": user_id, "left": list(left)}
        answer = either.post(PATH, json=asked, headers=credential)
        assert answer.status_code == 200, answer.text
        return answer.json["predecessors"]

    return predecessors


def test_who_proves_an_address_that_another_account_had_succeeds_it(prove, predecessors):
    prove(OLD)
    assert predecessors(NEW, OLD) == []
    prove(NEW, "other@asso.example")
    assert predecessors(NEW, OLD) == []
    prove(NEW)
    assert predecessors(NEW, OLD, "@zoe:education.example") == [OLD]
    assert predecessors(OLD, NEW) == []


def test_it_stays_when_the_former_account_is_no_more(prove, predecessors, services, clock):
    prove(OLD)
    prove(NEW)
    with services.database.transaction() as session:
        binding.unbind_verified(session, clock(), address="gil@asso.example", user_id=OLD)
    assert predecessors(NEW, OLD) == [OLD]


def test_who_moved_cannot_be_listed(prove, predecessors, either, credential):
    prove(OLD)
    prove(NEW)
    assert predecessors(NEW) == []
    asked = {"user_id": NEW, "left": [f"@p{n}:guests.example" for n in range(101)]}
    assert either.post(PATH, json=asked, headers=credential).status_code == 400
    assert either.post(PATH, json=asked).status_code == 403
    assert either.post(PATH, json={"user_id": NEW}, headers=credential).status_code == 400
