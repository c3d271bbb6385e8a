"""Invitations by mail into rooms: what is no address, no right, or no need, is told before anything is sent."""

import pytest

from tests.worlds.made_rooms import ALICE, ANA, OLGA
from tests.worlds.module import *
from tests.worlds.rooms_house import ALLOWED, ROOM, event, member, part_of, run, why


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


def test_nothing_is_mailed_for_a_room_that_this_homeserver_does_not_know_or_has_left(house):
    part = part_of(house)
    assert why(by_mail(part, "x@asso.example")) == "only_members_invite"
    house.make("unrestricted")
    assert by_mail(part, "x@asso.example") is ALLOWED
    house.rooms.clear()
    assert why(by_mail(part, "x@asso.example")) == "only_members_invite"


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
