"""Around the rules of rooms: faults refuse, log-only changes nothing, one process carries the rule over."""

import json
from copy import deepcopy
from types import MappingProxyType

import pytest

from domain_rules.synapse_modules import other_modules
from domain_rules.synapse_modules.configuration import ClassSource, Mode, SoftFail
from domain_rules.synapse_modules.snapshot import Snapshot
from tests.worlds.made_rooms import ALICE, ANA, GIL, OLGA
from tests.worlds.module import *
from tests.worlds.rooms_house import (
    ALLOWED,
    FROM_ELSEWHERE,
    ROOM,
    RULE,
    Refused,
    event,
    member,
    part_of,
    requester,
    run,
    why,
)


def test_an_invitation_of_a_guest_into_a_closed_room_is_refused_with_its_reason(house):
    house.make("restricted")
    part = part_of(house)
    assert why(run(part.user_may_invite(ANA, GIL, ROOM))) == "room_closed_to_guests"
    assert run(part.user_may_invite(ANA, ALICE, ROOM)) is ALLOWED
    assert run(part.user_may_invite(ANA, OLGA, ROOM)) is ALLOWED
    assert run(part.user_may_invite(OLGA, GIL, ROOM)) is ALLOWED


def test_somebody_whose_class_is_not_known_yet_is_refused_for_that(house):
    house.make("restricted")
    part = part_of(house)
    part.cache.snapshot.sources["mixed.example"] = ClassSource.BY_PERSON
    refused = why(run(part.user_may_invite(ANA, "@mia:mixed.example", ROOM)))
    assert refused == "room_closed_to_guests"
    house.now_ms += 61_000
    refused = why(run(part.user_may_invite(ANA, "@mia:mixed.example", ROOM)))
    assert refused == "class_not_yet_known"


def test_without_any_rules_yet_no_address_is_said_to_be_nobodys(house):
    house.make("restricted")
    part = part_of(house)
    by_mail = ("email", "x@asso.example", ROOM)
    told = why(run(part.user_may_send_3pid_invite(ANA, *by_mail)))
    assert told == "address_belongs_nowhere"
    part.cache.snapshot = Snapshot(sources={"agents.example": ClassSource.AGENT})
    told = why(run(part.user_may_send_3pid_invite(ANA, *by_mail)))
    assert told == "class_not_yet_known"


def test_an_invitation_into_a_room_of_another_homeserver_is_not_judged_here(house):
    assert run(part_of(house).user_may_invite(FROM_ELSEWHERE, GIL, "!elsewhere")) is ALLOWED


def test_an_invitation_by_id_does_not_take_the_seat_of_one_by_mail(house):
    house.make("direct", event("m.room.third_party_invite", {"public_key": "k"}, key="t"))
    part = part_of(house)
    assert why(run(part.user_may_invite(ANA, GIL, ROOM))) == "direct_room_is_full"


@pytest.mark.parametrize("name", ["user_may_invite", "user_may_publish_room"])
def test_a_fault_of_ours_refuses_and_is_no_500(house, name):
    part_of(house)
    house.broken = True
    facts = {"user_may_invite": (GIL, ROOM), "user_may_publish_room": (ROOM,)}[name]
    assert why(run(house.callbacks[name](ANA, *facts))) == "not_allowed"


def test_a_fault_in_judging_mail_or_an_event_refuses(house):
    part_of(house)
    house.broken = True
    by_mail = house.callbacks["user_may_send_3pid_invite"]
    assert why(run(by_mail(ANA, "email", "x@y.example", ROOM))) == "not_allowed"
    broken = event("m.room.power_levels", {}, room_version=None)
    with pytest.raises(Refused) as refused:
        run(house.callbacks["check_event_allowed"](broken, {}))
    assert refused.value.reason == "not_allowed"


def test_callbacks_for_which_synapse_loads_whole_rooms_are_left_out(house):
    """Each of these is called beside one that can judge, gives the reason, and costs a line of memory."""
    part_of(house)
    costly = {"on_new_event", "check_threepid_can_be_invited", "check_visibility_can_be_modified"}
    assert not costly & set(house.callbacks)


def test_a_listed_room_may_always_be_taken_out(house):
    house.make("unrestricted")
    part = part_of(house)
    refused = why(run(part.user_may_publish_room(ANA, ROOM)))
    assert refused == "public_room_stays_closed_to_guests"
    house.listed.add(ROOM)
    assert run(part.user_may_publish_room(ANA, ROOM)) is ALLOWED


def test_the_room_directory_is_read_only_where_it_decides(house):
    house.make("restricted", member(ALICE, "join"))
    part = part_of(house)
    rules = [event(RULE, {"rule": rule}) for rule in ("restricted", "unrestricted")]
    for each in rules:
        run(part.check_event_allowed(each, house.rooms[ROOM]))
    assert house.directory_asked == [ROOM]
    house.listed.add(ROOM)
    with pytest.raises(Refused, match="public"):
        run(part.check_event_allowed(rules[1], house.rooms[ROOM]))


def test_what_other_modules_left_in_a_request_is_made_plain():
    """As modules do: views, tuples, generators; what it says stays."""
    events = {RULE: {"type": RULE, "content": MappingProxyType({"rule": "restricted"})}}
    asked = {
        "initial_state": events.values(),
        "invite": (ANA, GIL),
        "invite_3pid": (each for each in [{"medium": "email"}]),
        "name": "Budget",
        "is_direct": False,
    }
    run(other_modules.on_create_room(requester(), asked, False))
    assert asked == {
        "initial_state": [{"type": RULE, "content": {"rule": "restricted"}}],
        "invite": [ANA, GIL],
        "invite_3pid": [{"medium": "email"}],
        "name": "Budget",
        "is_direct": False,
    }
    assert json.loads(json.dumps(asked)) == asked


def test_what_exempt_people_make_and_send_is_left_as_it_is(house):
    part = part_of(house)
    asked = {"initial_state": [{"type": RULE, "content": {"rule": "open"}}]}
    before = deepcopy(asked)
    run(part.on_create_room(requester(OLGA), asked, False))
    run(part.on_create_room(requester(ANA), asked, True))
    assert asked == before
    house.make("direct")
    name = event("m.room.name", {"name": "Us"}, sender=OLGA)
    assert run(part.check_event_allowed(name, house.rooms[ROOM])) == (True, None)
    with pytest.raises(Refused):
        run(part.check_event_allowed(event("m.room.name", {}), house.rooms[ROOM]))


def test_what_contradicts_itself_is_a_bad_request(house):
    asked = {"initial_state": [{"type": RULE, "content": {"rule": "open"}}]}
    with pytest.raises(Refused) as refused:
        run(part_of(house).on_create_room(requester(ANA), asked, False))
    assert (refused.value.status, refused.value.reason) == (400, "invalid_access_rule")


def test_log_only_mode_changes_nothing_and_refuses_nothing(house):
    house.make("restricted")
    part = part_of(house, mode=Mode.LOG, soft_fail=SoftFail.ON)
    asked = {"is_direct": True, "preset": "trusted_private_chat", "invite": [GIL]}
    before = deepcopy(asked)
    run(part.on_create_room(requester(ANA), asked, False))
    assert asked == before
    coming = member(GIL, "invite")
    assert run(part.check_event_allowed(coming, house.rooms[ROOM])) == (True, None)
    assert run(part.user_may_invite(ANA, GIL, ROOM)) is ALLOWED
    inbound = member(GIL, "join", sender=GIL, origin_server_ts=2_000)
    assert run(part._inbound.check_event_for_spam(inbound)) is ALLOWED
    part._upgrades.begin(event("m.room.create", {"predecessor": {"room_id": "x"}}))
    assert not house.waiting
    assert {kept.reason for kept in part.refusals.drain()} == {"room_closed_to_guests"}
