"""Around the rules of rooms: faults refuse, log-only changes nothing, one process carries the rule over."""

import asyncio
import json
from copy import deepcopy
from types import MappingProxyType

import pytest
from prometheus_client import REGISTRY

from domain_rules.synapse_modules import other_modules
from domain_rules.synapse_modules.configuration import ClassSource, Mode, SoftFail
from domain_rules.synapse_modules.copies import Copy
from tests.domain_rules.made_rooms import ALICE, ANA, GIL, OLGA
from tests.domain_rules.synapse_modules.rooms_house import (
    ALLOWED,
    ROOM,
    House,
    Refused,
    event,
    member,
    part_of,
    requester,
)

RULE = "im.vector.room.access_rules"
FROM_ELSEWHERE = "@mallory:other.example"


@pytest.fixture
def house() -> House:
    return House()


def run(awaited):
    return asyncio.run(awaited)


def why(answer):
    code, fields = answer
    assert code == "M_FORBIDDEN"
    assert set(fields["org.guichet.message"]) == {"fr", "en"}
    return fields["org.guichet.reason"]


def test_d13_an_invitation_of_a_guest_into_a_closed_room_is_refused_with_its_reason(house):
    house.make("restricted")
    part = part_of(house)
    assert why(run(part.user_may_invite(ANA, GIL, ROOM))) == "room_closed_to_guests"
    assert run(part.user_may_invite(ANA, ALICE, ROOM)) is ALLOWED
    assert run(part.user_may_invite(ANA, OLGA, ROOM)) is ALLOWED
    assert run(part.user_may_invite(OLGA, GIL, ROOM)) is ALLOWED


def test_somebody_whose_class_is_not_known_yet_is_refused_for_that(house):
    house.make("restricted")
    part = part_of(house)
    part._knowledge.copy.sources["mixed.example"] = ClassSource.BY_PERSON
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
    part._knowledge.copy = Copy(sources={"agents.example": ClassSource.AGENT})
    told = why(run(part.user_may_send_3pid_invite(ANA, *by_mail)))
    assert told == "class_not_yet_known"


def test_an_invitation_into_a_room_of_another_homeserver_is_not_judged_here(house):
    assert run(part_of(house).user_may_invite(FROM_ELSEWHERE, GIL, "!elsewhere")) is ALLOWED


def test_ra_55_an_invitation_by_id_does_not_take_the_seat_of_one_by_mail(house):
    house.make("direct", event("m.room.third_party_invite", {"public_key": "k"}, key="t"))
    part = part_of(house)
    assert why(run(part.user_may_invite(ANA, GIL, ROOM))) == "direct_room_is_full"


@pytest.mark.parametrize("name", ["user_may_invite", "user_may_publish_room"])
def test_d13_a_fault_of_ours_refuses_and_is_no_500(house, name):
    part_of(house)
    house.broken = True
    facts = {"user_may_invite": (GIL, ROOM), "user_may_publish_room": (ROOM,)}[name]
    assert why(run(house.callbacks[name](ANA, *facts))) == "not_allowed"


def test_d13_a_fault_in_judging_mail_or_an_event_refuses(house):
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


def test_ra_84_a_listed_room_may_always_be_taken_out(house):
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


def redaction(redacted: str, sender: str = ANA):
    return event("m.room.redaction", {}, key=None, redacts=redacted, sender=sender)


@pytest.mark.parametrize("rule", ["unrestricted", "restricted", "direct"])
@pytest.mark.parametrize(
    "kind", [RULE, "m.room.encryption", "m.room.create", "m.room.power_levels"]
)
def test_what_a_rule_stands_on_is_not_redacted(house, rule, kind):
    house.make(rule)
    megolm = {"algorithm": "m.megolm.v1.aes-sha2"}
    house.put(event("m.room.encryption", megolm), event("m.room.name", {"name": "x"}))
    for (each, _), standing in house.rooms[ROOM].items():
        standing.event_id = f"${each}"
    part = part_of(house)

    def redacts(what, by):
        run(part.check_event_allowed(redaction(what, by), house.rooms[ROOM]))

    if kind != "m.room.power_levels" or rule != "restricted":
        with pytest.raises(Refused) as refused:
            redacts(f"${kind}", ANA)
        assert refused.value.reason == "room_settings_are_not_redacted"
    with pytest.raises(Refused):
        redacts("$m.room.name", ALICE)  # she may not rename it either
    redacts("$m.room.name", ANA)
    redacts("$of a message", ALICE)
    redacts(f"${kind}", OLGA)


def test_what_was_redacted_from_afar_goes_on_deciding(house):
    """The rule and the encryption, as Synapse's own tables have them for a week, and ours for ever."""
    house.make("unrestricted", member(GIL, "join"))
    house.put(event("m.room.encryption", {"algorithm": "m.megolm.v1.aes-sha2"}))
    part = part_of(house)
    for kind in (RULE, "m.room.encryption"):
        house.is_redacted_from_afar(kind)
    for _ in range(2):
        invited = member("@gina:guests.example", "invite")
        assert run(part.check_event_allowed(invited, house.rooms[ROOM])) == (True, None)
        assert run(part.user_may_invite(ANA, "@gina:guests.example", ROOM)) is ALLOWED
        closing = event(RULE, {"rule": "restricted"})
        with pytest.raises(Refused, match="invités"):
            run(part.check_event_allowed(closing, house.rooms[ROOM]))
        run(house.loops["guichet_redacted"]())
        house.forgets_what_was_redacted()


@pytest.mark.parametrize("now", ["leave", "ban"])
def test_d4_who_came_by_mail_and_is_gone_leaves_no_open_invitation(house, now):
    """Their membership does not say any more by which invitation they came."""
    house.make("unrestricted", member(GIL, now))
    tokens = ("used", "waiting")
    house.put(
        *(event("m.room.third_party_invite", {"public_key": "k"}, key=each) for each in tokens)
    )
    part = part_of(house)
    closing = event(RULE, {"rule": "restricted"})
    house.was_invited_by_mail("used")
    with pytest.raises(Refused) as refused:
        run(part.check_event_allowed(closing, house.rooms[ROOM]))
    assert refused.value.reason == "invitations_are_still_open"
    house.put(event("m.room.third_party_invite", {}, key="waiting"))
    assert run(part.check_event_allowed(closing, house.rooms[ROOM])) == (True, None)


def by_mail(part, address, *, by=ANA):
    return run(part.user_may_send_3pid_invite(by, "email", address, ROOM))


@pytest.mark.parametrize("by", [ALICE, OLGA])
def test_nothing_is_mailed_for_who_is_not_in_the_room_or_may_not_invite(house, by):
    """Exempt or not: Matrix would refuse the event, and the mail would have left before."""
    house.make("unrestricted")
    part = part_of(house)
    assert why(by_mail(part, "x@asso.example", by=by)) == "only_members_invite"
    for gone in ("leave", "invite", "ban", "knock"):
        house.put(member(by, gone))
        assert why(by_mail(part, "x@asso.example", by=by)) == "only_members_invite"
    house.put(member(by, "join"))
    assert why(by_mail(part, "x@asso.example", by=by)) == "no_right_to_invite"
    house.put(event("m.room.power_levels", {"invite": 0}))
    assert by_mail(part, "x@asso.example", by=by) is ALLOWED


@pytest.mark.parametrize("rule", ["unrestricted", "restricted", "direct"])
@pytest.mark.parametrize(
    "address",
    [
        "élodie@",
        "a@b",
        "mailto:x@asso.example",
        "x@asso.example,y@asso.example",
        "x",
        "",
        "x @y.fr",
    ],
)
def test_what_is_no_address_is_refused_with_a_sentence_in_every_room(house, rule, address):
    house.make(rule)
    assert why(by_mail(part_of(house), address)) == "address_unclear"


@pytest.mark.parametrize("typed", ["zoe@gov.example", "Zoe@Gov.Example", "ZOE@gov.example"])
def test_who_is_here_is_not_invited_by_mail_however_the_address_is_spelled(house, typed):
    house.make("unrestricted", member(ALICE, "join"))
    part = part_of(house)
    house.has_address(ALICE, "zoe@gov.example")
    assert why(by_mail(part, typed)) == "already_in_the_room"
    house.put(member(ALICE, "leave"))
    assert by_mail(part, typed) is ALLOWED


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


def test_ra_02_what_exempt_people_make_and_send_is_left_as_it_is(house):
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


def test_ra_12_what_contradicts_itself_is_a_bad_request(house):
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
    assert {kept.reason for kept in part._refusals.drain()} == {"room_closed_to_guests"}


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
    ],
)
def test_federation_an_invitation_that_says_its_room_is_closed_is_refused(house, told, allowed):
    arriving = member(GIL, "invite", sender=FROM_ELSEWHERE, unsigned={"invite_room_state": told})
    answer = run(part_of(house)._inbound.federated_user_may_invite(arriving))
    assert (answer is ALLOWED) == allowed
    arriving.state_key = ALICE
    assert run(part_of(house)._inbound.federated_user_may_invite(arriving)) is ALLOWED


def upgraded(house, rule="unrestricted", sender=ANA):
    """The create event of the room that replaces the old one."""
    house.make(rule, room_id="!old")
    return event("m.room.create", {"predecessor": {"room_id": "!old"}}, sender=sender)


def carry(house, created):
    assert run(part_of(house).check_event_allowed(created, {})) == (True, None)
    for work, *facts in house.waiting:
        run(work(*facts))
    return [(sent["room_id"], sent["content"]) for sent in house.sent]


def test_d11_the_rule_is_carried_into_the_new_room(house):
    created = upgraded(house)
    house.make(None, predecessor=created.content["predecessor"])
    assert carry(house, created) == [(ROOM, {"rule": "unrestricted"})]


def test_d11_what_a_killed_process_left_undone_is_done_when_somebody_asks(house):
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


def test_d11_only_for_owners_of_the_old_room_and_for_people_of_this_homeserver(house):
    house.make(None)
    assert carry(house, upgraded(house, sender=ALICE)) == []
    house.waiting.clear()
    part_of(house)._upgrades.begin(upgraded(house, sender=FROM_ELSEWHERE))
    assert not house.waiting


def test_d11_the_rule_goes_along_with_whoever_is_exempt(house):
    house.make(None)
    assert carry(house, upgraded(house, "direct", sender=OLGA)) == [(ROOM, {"rule": "direct"})]


def test_d11_a_room_that_has_a_rule_keeps_its_own(house):
    created = upgraded(house)
    house.make("restricted")
    assert carry(house, created) == []


def test_d11_until_the_rule_is_there_the_new_room_is_closed(house):
    created = upgraded(house)
    house.make(None, predecessor=created.content["predecessor"])
    part = part_of(house)
    assert why(run(part.user_may_invite(ANA, GIL, ROOM))) == "room_closed_to_guests"
    house.put(event(RULE, {"rule": "unrestricted"}))
    assert run(part.user_may_invite(ANA, GIL, ROOM)) is ALLOWED
