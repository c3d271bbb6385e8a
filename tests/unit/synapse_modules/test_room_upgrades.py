"""A room that replaces another: its rule is carried over, by one process."""

from tests.worlds.made_rooms import ALICE, ANA, GIL, OLGA
from tests.worlds.module import *
from tests.worlds.rooms_house import (
    ALLOWED,
    FROM_ELSEWHERE,
    ROOM,
    RULE,
    Refused,
    event,
    part_of,
    run,
    why,
)


def upgraded(house, rule="unrestricted", sender=ANA):
    """The create event of the room that replaces the old one."""
    house.make(rule, room_id="!old")
    return event("m.room.create", {"predecessor": {"room_id": "!old"}}, sender=sender)


def carry(house, created):
    assert run(part_of(house).check_event_allowed(created, {})) == (True, None)
    for work, *facts in house.waiting:
        run(work(*facts))
    return [(sent["room_id"], sent["content"]) for sent in house.sent]


def test_the_rule_is_carried_into_the_new_room(house):
    created = upgraded(house)
    house.make(None, predecessor=created.content["predecessor"])
    assert carry(house, created) == [(ROOM, {"rule": "unrestricted"})]


def test_what_an_owner_sends_while_the_rule_is_carried_is_judged(house):
    created = upgraded(house)
    house.make(None, predecessor=created.content["predecessor"])
    part = part_of(house)
    answers = []

    async def send(sent):
        for content in (sent["content"], {"rule": "direct"}):
            try:
                await part.check_event_allowed(event(RULE, content), house.rooms[ROOM])
                answers.append(None)
            except Refused as refused:
                answers.append(refused.reason)

    house.create_and_send_event_into_room = send
    run(part.check_event_allowed(created, {}))
    ((work, *facts),) = house.waiting
    run(work(*facts))
    assert answers == [None, "rule_never_changes_to_or_from_direct"]


def test_what_a_killed_process_left_undone_is_done_when_somebody_asks(house):
    """The homeserver started anew: nobody remembers that a rule was on its way."""
    house.make("unrestricted", room_id="!old")
    house.make(None, predecessor={"room_id": "!old"})
    house.now_ms += 3_600_000
    part = part_of(house)
    for _ in range(2):
        assert why(run(part.user_may_invite(ANA, GIL, ROOM))) == "room_closed_to_guests"
    ((work, *facts),) = house.waiting
    run(work(*facts))
    assert [sent["content"] for sent in house.sent] == [{"rule": "unrestricted"}]


def test_only_for_owners_of_the_old_room_and_for_people_of_this_homeserver(house):
    house.make(None)
    assert carry(house, upgraded(house, sender=ALICE)) == []
    house.waiting.clear()
    part_of(house)._upgrades.begin(upgraded(house, sender=FROM_ELSEWHERE))
    assert not house.waiting


def test_the_rule_goes_along_with_whoever_is_exempt(house):
    house.make(None)
    assert carry(house, upgraded(house, "direct", sender=OLGA)) == [(ROOM, {"rule": "direct"})]


def test_a_room_that_has_a_rule_keeps_its_own(house):
    created = upgraded(house)
    house.make("restricted")
    assert carry(house, created) == []


def test_until_the_rule_is_there_the_new_room_is_closed(house):
    created = upgraded(house)
    house.make(None, predecessor=created.content["predecessor"])
    part = part_of(house)
    assert why(run(part.user_may_invite(ANA, GIL, ROOM))) == "room_closed_to_guests"
    house.put(event(RULE, {"rule": "unrestricted"}))
    assert run(part.user_may_invite(ANA, GIL, ROOM)) is ALLOWED
