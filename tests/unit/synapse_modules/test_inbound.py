"""What arrives from other homeservers: judged as far as it can be without splitting rooms."""

import pytest
from prometheus_client import REGISTRY

from domain_rules.synapse_modules.configuration import SoftFail
from tests.worlds.made_rooms import ALICE, GIL
from tests.worlds.module import *
from tests.worlds.rooms_house import (
    ALLOWED,
    FROM_ELSEWHERE,
    ROOM,
    RULE,
    event,
    member,
    part_of,
    run,
    why,
)


@pytest.mark.parametrize("soft_fail", list(SoftFail))
def test_federation_events_of_guests_homeservers_fail_softly_where_it_is_on(house, soft_fail):
    house.make("restricted")
    part = part_of(house, soft_fail=soft_fail)

    def judged(which):
        return run(part._inbound.check_event_for_spam(which))

    joins = judged(member(GIL, "join", sender=GIL, origin_server_ts=2_000))
    if soft_fail is SoftFail.ON:
        assert why(joins) == "room_closed_to_guests"
    else:
        assert joins is ALLOWED
    assert judged(member(GIL, "join", sender=GIL, origin_server_ts=1)) is ALLOWED
    assert judged(member(FROM_ELSEWHERE, "join", sender=FROM_ELSEWHERE)) is ALLOWED
    assert judged(event("m.room.message", {}, key=None, sender=GIL)) is ALLOWED
    assert judged(member(GIL, "invite", room_id="!unknown", sender=FROM_ELSEWHERE)) is ALLOWED


def test_federation_a_room_that_is_not_complete_is_judged_when_it_is(house):
    house.make("restricted")
    house.partial.add(ROOM)
    part = part_of(house, soft_fail=SoftFail.ON)
    arriving = member(GIL, "join", sender=GIL, origin_server_ts=2_000, event_id="$early")
    before = inbound("noted"), inbound("logged")
    assert run(part._inbound.check_event_for_spam(arriving)) is ALLOWED
    assert (inbound("noted"), inbound("logged")) == (before[0] + 1, before[1])
    run(house.loops["guichet_inbound"]())
    assert inbound("logged") == before[1]
    house.partial.clear()
    run(house.loops["guichet_inbound"]())
    assert inbound("logged") == before[1] + 1
    run(house.loops["guichet_inbound"]())
    assert inbound("logged") == before[1] + 1


def test_federation_a_room_that_never_becomes_complete_is_given_up(house):
    house.make("restricted")
    house.partial.add(ROOM)
    part = part_of(house)
    before = inbound("given_up")
    run(part._inbound.check_event_for_spam(member(GIL, "join", sender=GIL)))
    house.now_ms += 25 * 3_600_000
    run(house.loops["guichet_inbound"]())
    assert inbound("given_up") == before + 1
    assert not part._inbound._noted


def test_federation_what_has_the_type_of_a_membership_and_no_state_key_is_none(house):
    part = part_of(house, soft_fail=SoftFail.ON)
    arriving = event("m.room.member", {"membership": "join"}, key=None, sender=GIL)
    assert run(part._inbound.check_event_for_spam(arriving)) is ALLOWED


def test_federation_however_many_come_what_waits_does_not_grow_without_an_end(house, monkeypatch):
    monkeypatch.setattr("domain_rules.synapse_modules.inbound.MAX_PENDING", 3)
    house.make("restricted")
    house.partial.add(ROOM)
    part = part_of(house)
    arriving = member(GIL, "join", sender=GIL)

    async def is_complete_after_some_more(_room_id):
        await part._inbound.check_event_for_spam(arriving)
        return False

    monkeypatch.setattr(part._views, "is_complete", is_complete_after_some_more)
    for _ in range(5):
        for _ in range(3):
            run(part._inbound.check_event_for_spam(arriving))
        run(house.loops["guichet_inbound"]())
    assert len(part._inbound._noted) == 3


def inbound(done):
    return REGISTRY.get_sample_value("guichet_inbound_total", {"done": done}) or 0.0


@pytest.mark.parametrize(
    ("told", "allowed"),
    [
        ([{"type": RULE, "state_key": "", "content": {"rule": "restricted"}}], False),
        ([{"type": RULE, "state_key": "", "content": {"rule": "unrestricted"}}], True),
        ([], True),
        (None, True),
        ([7, {"type": RULE, "content": 7}], True),
        ([{"type": RULE, "state_key": "", "content": {"rule": "open"}}], False),
        (
            [
                {"type": RULE, "state_key": "", "content": {"rule": each}}
                for each in ("unrestricted", "restricted")
            ],
            False,
        ),
    ],
)
def test_federation_an_invitation_that_says_its_room_is_closed_is_refused(house, told, allowed):
    arriving = member(GIL, "invite", sender=FROM_ELSEWHERE, unsigned={"invite_room_state": told})
    answer = run(part_of(house)._inbound.federated_user_may_invite(arriving))
    assert (answer is ALLOWED) == allowed
    arriving.state_key = ALICE
    assert run(part_of(house)._inbound.federated_user_may_invite(arriving)) is ALLOWED
