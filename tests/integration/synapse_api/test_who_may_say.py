"""A homeserver's credential speaks for its own people and their invitations alone: field by field, what it reports."""

import uuid
from dataclasses import replace
from typing import Any

import pytest

from identity.accounts import classes as account_classes, verified_addresses
from identity.app import create_app
from identity.threepids import associations
from tests.worlds.api import *
from tests.worlds.two_homeservers import (
    API,
    CAMILLE,
    GIL,
    HERS,
    INTERNAL,
    MALLORY,
    MIXED,
    OLD_ROOM,
    ZOE,
    world,
)

__all__ = ["world"]


def in_room(**facts) -> dict[str, str]:
    return {"user_id": CAMILLE, "room_id": OLD_ROOM, "by": CAMILLE} | facts


def refusal(user_id) -> dict[str, Any]:
    return {"user_id": user_id, "reason": "guest_may_not_invite", "count": 1, "last_at": 1}


# Field by field: what Mixed says that is not its own to say.
REPORTS = {
    "bound: user_id": ("bound", {"user_id": CAMILLE, "address": GIL}),
    "bound: address kept for another": ("bound", {"user_id": MALLORY, "address": HERS}),
    "bound: address nobody has, kept for another": (
        "bound",
        {"user_id": MALLORY, "address": "mallory@ac-rouen.example"},
    ),
    "bound: address of a guest elsewhere": ("bound", {"user_id": MALLORY, "address": GIL}),
    "unbound: user_id": ("unbound", {"user_id": CAMILLE, "address": HERS}),
    "unbound: address": ("unbound", {"user_id": MALLORY, "address": HERS}),
    "deactivated: user_id": ("deactivated", {"user_id": CAMILLE}),
    "invited: user_id": ("invited", in_room(by=ZOE)),
    "joined: user_id": ("joined", in_room()),
    "left: user_id": ("left", in_room()),
    "joined: room_id": ("joined", in_room(user_id=MALLORY, by=MALLORY)),
    "left: room_id": ("left", in_room(user_id=MALLORY, by=MALLORY)),
    "stands: sender": (
        "third_party_invite_stands",
        {"room_id": OLD_ROOM, "token": "made-up", "sender": ZOE, "at": 1},
    ),
    "refusals: user_id": ("refusals", {"refusals": [refusal(CAMILLE)]}),
    "refusals: one of several": ("refusals", {"refusals": [refusal(MALLORY), refusal(CAMILLE)]}),
}
DISGUISES = [
    "camille:education.example",
    "@camille:education.example:mixed.example",
    "@camille:education.example ",
    "@camille:EDUCATION.example",
    "@camille",
    ":mixed.example",
    "@:mixed.example",
    "mixed.example",
    "@mallory:mixed.example:8448",
    "@mallory:mixed.example/",
    f"@{'m' * 250}:mixed.example",
]


@pytest.mark.parametrize("said", REPORTS.values(), ids=REPORTS)
def test_a_report_about_what_is_anothers_changes_nothing(world, said):
    kind, facts = said
    before = world.rows()
    assert world.report(kind, **facts)["result"] != "ok" or kind == "unbound"
    assert world.rows() == before


@pytest.mark.parametrize("kind", ["bound", "unbound", "deactivated", "joined"])
@pytest.mark.parametrize("user_id", DISGUISES)
def test_a_user_id_that_is_not_quite_its_own_is_not_its_own(world, kind, user_id):
    before = world.rows()
    told = world.report(kind, user_id=user_id, address=GIL, room_id=OLD_ROOM, by=user_id)
    assert told["result"] == "rejected"
    assert world.rows() == before


@pytest.mark.parametrize("by", [MALLORY, ZOE])
@pytest.mark.parametrize("room", [0, 1], ids=["a room of old", "a room of version 12"])
def test_anothers_invitation_is_not_revoked_by_who_knows_its_token(world, by, room):
    row = world.invitations[room]
    before = world.rows()
    told = world.report("third_party_invite_revoked", room_id=row.room_id, token=row.token, by=by)
    made_up = world.report(
        "third_party_invite_revoked", room_id=row.room_id, token="made-up", by=by
    )
    assert told == made_up
    assert told["result"] != "ok"
    assert world.rows() == before


def test_a_rejected_address_makes_nobody_an_agent(world):
    world.report("bound", user_id=MALLORY, address="mallory@ac-rouen.example")
    with world.services.database.reading() as session:
        assert not account_classes.is_agent(session, world.services.rules.current(), MALLORY)
        assert verified_addresses.addresses_of(session, MALLORY) == []


def test_where_every_homeserver_may_bind_none_takes_or_proves_what_the_rules_keep_for_another(
    world,
):
    settings = world.services.settings.model_copy(update={"association_policy": "any"})
    free = replace(world.services, settings=settings)
    world = replace(world, app=create_app(free), services=free)
    before = world.rows()
    assert world.report("bound", user_id=MALLORY, address=HERS)["result"] == "rejected"
    body = {"medium": "email", "address": HERS, "mxid": MALLORY}
    assert world.send("POST", f"{INTERNAL}/bind", body).status_code == 403
    assert world.rows() == before
    # What nobody has is associated, as this policy says; an agent it makes of nobody.
    free_one = "mallory@ac-rouen.example"
    assert world.report("bound", user_id=MALLORY, address=free_one) == {"result": "ok"}
    with free.database.reading() as session:
        assert associations.find_by_address(session, free_one).user_id == MALLORY
        assert not account_classes.is_agent(session, free.rules.current(), MALLORY)


def test_one_report_is_taken_once_whatever_it_says_the_second_time(world):
    one, own = str(uuid.uuid4()), f"@max:{MIXED}"
    for user_id in (own, CAMILLE):
        said = {"id": one, "kind": "deactivated", "at": 1, "user_id": user_id}
        before = world.rows() if user_id == CAMILLE else None
        answer = world.send("POST", f"{API}/reports", {"reports": [said]})
        assert answer.json["results"] == [{"id": one, "result": "ok"}]
    assert world.rows() == before
