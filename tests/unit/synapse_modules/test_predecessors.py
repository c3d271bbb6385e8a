"""A seat in a conversation of two stays with who left, or goes to the account their address has now."""

import asyncio

import pytest

from domain_rules.synapse_modules.clients import GuichetAnswer, GuichetUnreachable
from tests.worlds.made_rooms import ALICE, ANA, GIL, GINA
from tests.worlds.module import *
from tests.worlds.rooms_house import ALLOWED, ROOM, House, Refused, event, member, part_of


class Guichet:
    """`told`: whose address who has, or what goes wrong."""

    def __init__(self, told):
        self.told, self.asked = told, []

    async def post(self, path, question):
        assert path == "/predecessors"
        self.asked.append(question)
        if isinstance(self.told, Exception):
            raise self.told
        return self.told


def answer(*user_ids):
    return GuichetAnswer(200, {"predecessors": list(user_ids)}, None)


@pytest.fixture
def house():
    house = House()
    house.make("direct", member(GIL, "leave", sender=GIL))
    return house


def invited(house, guichet, whom):
    """What the event of an invitation is answered: its callback leaves agents to that."""
    part = part_of(house, client=guichet)
    assert asyncio.run(part.user_may_invite(ANA, whom, ROOM)) is ALLOWED
    try:
        asyncio.run(part.check_event_allowed(member(whom, "invite"), house.rooms[ROOM]))
    except Refused as refused:
        return refused.reason
    return None


FULL = "direct_room_is_full"


def test_who_has_the_address_now_takes_the_seat(house):
    guichet = Guichet(answer(GIL))
    assert invited(house, guichet, ALICE) is None
    assert guichet.asked == [{"user_id": ALICE, "left": [GIL]}]


@pytest.mark.parametrize(
    "told",
    [
        answer(),
        answer(GINA),
        GuichetUnreachable("no answer"),
        GuichetAnswer(403, {"errcode": "M_FORBIDDEN"}, None),
        GuichetAnswer(200, {"predecessors": "gil"}, None),
        GuichetAnswer(200, None, None),
    ],
)
def test_nobody_else_does_nor_while_guichet_cannot_say(house, told):
    assert invited(house, Guichet(told), ALICE) == FULL


def test_a_seat_that_is_taken_is_nobodys(house):
    house.put(member(GIL, "join"))
    guichet = Guichet(answer(GIL))
    assert invited(house, guichet, ALICE) == FULL
    assert guichet.asked == []


def test_guichet_is_asked_before_a_refusal_for_a_seat_alone(house):
    guichet = Guichet(answer(GIL))
    assert invited(house, guichet, GIL) is None
    part = part_of(house, client=guichet)
    by_mail = event("m.room.third_party_invite", {"public_key": "x"}, key="token")
    for refused in (event("m.room.name", {}), by_mail):
        with pytest.raises(Refused):
            asyncio.run(part.check_event_allowed(refused, house.rooms[ROOM]))
    assert guichet.asked == []
