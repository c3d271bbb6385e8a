"""What other modules leave behind misleads nobody, and who only watches keeps nobody waiting."""

from types import SimpleNamespace

import pytest

from domain_rules.synapse_modules import other_modules
from domain_rules.synapse_modules.configuration import Mode
from tests.worlds.made_rooms import ANA, GIL
from tests.worlds.module import *
from tests.worlds.module_synapse import run
from tests.worlds.rooms_house import ALLOWED, ROOM, House, Refused, event, member, part_of

requester = SimpleNamespace(user=SimpleNamespace(to_string=lambda: ANA))


def test_what_cannot_be_read_in_a_request_is_synapses_to_answer():
    def failing():
        yield 1
        raise OSError("of another module")

    nested: list = []
    nested.append(nested)
    asked = {"invite": failing(), "topic": nested, "initial_state": ()}
    run(other_modules.on_create_room(requester, asked, False))
    assert asked["topic"] is nested
    assert asked["initial_state"] == []


def test_what_other_modules_put_into_a_state_is_no_part_of_the_room():
    house = House()
    house.make("restricted")
    littered = house.rooms[ROOM] | {"rules": object(), ("m.room.topic", ""): "2027"}
    part = part_of(house)
    name = event("m.room.name", {"name": "Us"})
    assert run(part.check_event_allowed(name, littered)) == (True, None)
    with pytest.raises(Refused):
        run(part.check_event_allowed(member(GIL, "invite"), littered))


@pytest.mark.parametrize(("mode", "waits"), [(Mode.ENFORCE, True), (Mode.LOG, False)])
def test_where_nothing_is_sent_nobody_waits_for_the_rule_of_an_upgraded_room(mode, waits):
    house = House()
    house.make(None, predecessor={"room_id": "!old"})
    before = house.now_ms
    part = part_of(house, mode=mode)
    answer = run(part.user_may_invite(ANA, GIL, ROOM))
    assert (answer is ALLOWED) is not waits
    assert (house.now_ms > before) is waits
