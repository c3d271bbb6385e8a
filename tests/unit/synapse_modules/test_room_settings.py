"""Around the rules of rooms: what was redacted, or sent, where our module is not; who came by mail and is gone."""

import pytest

from domain_rules.synapse_modules import room_rows
from tests.worlds.made_rooms import ALICE, ANA, GIL, GINA, OLGA
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
    run,
    why,
)


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


@pytest.mark.parametrize("left", [{}, {"rule": "open"}, {"rule": "unrestricted"}])
def test_what_a_homeserver_without_our_module_makes_of_two_does_not_count(house, left):
    """Also when an older rule is redacted after it, and after Synapse forgot what that was."""
    house.make("restricted", member(GIL, "join"))
    older = house.rooms[ROOM][RULE, ""]
    house.put(event(RULE, {"rule": "direct"}))
    newer = house.rooms[ROOM][RULE, ""]
    part = part_of(house)
    house.is_redacted_from_afar(RULE)
    house.rooms[ROOM][RULE, ""] = older
    house.is_redacted_from_afar(RULE)
    house.rooms[ROOM][RULE, ""] = newer
    house.put(event(RULE, left, sender=FROM_ELSEWHERE))
    for _ in range(2):
        assert why(run(part.user_may_invite(ANA, GINA, ROOM))) == "direct_room_is_full"
        with pytest.raises(Refused) as refused:
            run(part.check_event_allowed(member(ALICE, "invite"), house.rooms[ROOM]))
        assert refused.value.reason == "direct_room_is_full"
        run(house.loops["guichet_redacted"]())
        house.forgets_what_was_redacted()


@pytest.mark.parametrize("now", ["leave", "ban"])
def test_who_came_by_mail_and_is_gone_leaves_no_open_invitation(house, now):
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


def test_a_room_that_is_full_of_people_keeps_its_settings(house):
    """However many there are of them, what is read of a room at most begins with what it is."""
    house.put(*(member(f"@p{number}:other.example", "join") for number in range(20)))
    house.make("direct")
    wanted = [("m.room.create", ""), (RULE, ""), ("m.room.member", None)]
    rows = run(house.run_db_interaction("look", room_rows.read_state, ROOM, wanted, 5))
    assert {("m.room.create", ""), (RULE, "")} < set(rows.events)
    assert len(rows.events) == 5
