"""Before anybody is invited anew it is asked who they are in the room: who has joined is never thrown back."""

from dataclasses import replace

import pytest

from identity.core import outbox
from identity.core.http_client import Away
from identity.core.outbox import JobKind, Lane
from identity.core.sealing import CannotOpen
from identity.homeservers import modules as homeserver_modules
from identity.homeservers.admin_client import Refused
from identity.invitations import history as invitation_events, models as third_party_invitations
from identity.invitations.jobs import onbind
from identity.invitations.models import Delivery
from tests.services.told_room_actions import ToldRoom
from tests.worlds.worker import *
from tests.worlds.worker import CAMILLE, ROOM
from workers import tasks

EDUCATION = "education.example"
ZOE = f"@zoe:{EDUCATION}"


def work(worker_services):
    tasks.run_lane(worker_services, Lane.NORMAL)


@pytest.fixture
def read(worker_services):
    """State, delivery, and what the history says last but of the room's event."""

    def read(invitation):
        with worker_services.database.reading() as session:
            row = third_party_invitations.find(session, invitation.id)
            history = [
                event.happened
                for event in invitation_events.find_events(session, row.id)
                if not event.happened.startswith("room_")
            ]
            return row.state, Delivery(row.delivery), history[-1]

    return read


@pytest.fixture
def hear(worker_services, clock):
    """The module of a homeserver asks for the rules."""

    def hear(homeserver=EDUCATION, actions="membership,revoke"):
        declared = homeserver_modules.read_declaration("2", "", actions)
        with worker_services.database.transaction() as session:
            homeserver_modules.record_declaration(session, clock(), homeserver, declared)

    return hear


@pytest.fixture
def worker_services(told_services, clock, told_room_actions):
    """With a desk in each homeserver, at one address."""
    room_actions_for = told_room_actions.client_for(clock, told_services.calls)
    return replace(told_services, room_actions_for=room_actions_for)


def is_told(homeserver) -> bool:
    return any("onbind" in method for method in homeserver.methods)


@pytest.mark.parametrize(
    ("membership", "end"),
    [
        ("join", ("joined", Delivery.SUPERSEDED, "joined")),
        ("invite", ("delivered", Delivery.SUPERSEDED, "delivered")),
        ("ban", ("revoked", Delivery.SUPERSEDED, "revoked")),
    ],
)
@pytest.mark.parametrize("asked", ["administration", "module"])
def test_who_is_in_the_room_is_not_invited_anew_and_the_room_is_free_of_the_invitation(
    worker_services,
    alone,
    invite,
    bind,
    read,
    connector,
    told_homeserver,
    told_room_actions,
    hear,
    asked,
    membership,
    end,
):
    invitation = invite()
    room = told_room_actions.rooms[ROOM] = ToldRoom(
        events={invitation.token: {"public_key": "key"}}
    )
    if asked == "administration":
        connector.rooms[CAMILLE, ROOM] = membership
    else:
        hear()
        room.memberships[CAMILLE] = membership
    bind()
    work(worker_services if asked == "administration" else alone)
    assert read(invitation) == end
    assert not is_told(told_homeserver)
    assert room.events == {invitation.token: {}}


def test_who_is_banned_from_a_room_their_homeserver_is_out_of_is_not_invited(
    worker_services, invite, bind, read, connector, told_homeserver, told_room_actions, hear
):
    """Its administration has forgotten the room by then."""
    invitation = invite()
    room = told_room_actions.rooms[ROOM] = ToldRoom(
        events={invitation.token: {"public_key": "key"}}
    )
    hear()
    room.memberships[CAMILLE] = "ban"
    assert (CAMILLE, ROOM) not in connector.rooms
    bind()
    work(worker_services)
    assert read(invitation) == ("revoked", Delivery.SUPERSEDED, "revoked")
    assert not is_told(told_homeserver)
    assert room.events == {invitation.token: {}}


@pytest.mark.parametrize("membership", [None, "leave", "knock"])
def test_who_is_not_there_is_invited(
    worker_services, invite, bind, read, connector, told_homeserver, membership
):
    invitation = invite()
    connector.rooms[CAMILLE, ROOM] = membership
    bind()
    work(worker_services)
    assert read(invitation) == ("delivered", Delivery.DELIVERED, "delivered")
    assert is_told(told_homeserver)


def test_the_inviters_homeserver_tells_of_who_lives_where_nobody_can_be_asked(
    alone, invite, bind, read, told_homeserver, told_room_actions, hear
):
    invitation = invite()
    told_room_actions.rooms[ROOM] = ToldRoom(members={"@camille:guests.example"})
    hear(EDUCATION)
    bind("@camille:guests.example")
    work(alone)
    assert read(invitation)[:2] == ("joined", Delivery.SUPERSEDED)
    assert not is_told(told_homeserver)


@pytest.mark.parametrize("failure", [Away("no answer"), Refused("401 M_UNKNOWN_TOKEN")])
def test_while_who_could_tell_is_silent_the_invitation_is_held_and_seen(
    worker_services, invite, bind, now_at, connector, told_homeserver, clock, caplog, failure
):
    invitation = invite()
    connector.failure = failure
    bind()
    began = clock()
    while clock() < began + onbind.LATE:
        work(worker_services)
        clock.advance(minutes=1)
    assert "is held" not in caplog.text
    clock.advance(minutes=15)
    work(worker_services)
    assert now_at(invitation) is Delivery.DUE
    assert f"invitation {invitation.id} is held" in caplog.text
    assert not is_told(told_homeserver)
    connector.failure = None
    clock.advance(hours=1)
    work(worker_services)
    assert now_at(invitation) is Delivery.DELIVERED


def test_a_token_that_no_key_here_opens_keeps_an_invitation_as_silence_does(
    worker_services, invite, bind, now_at, told_homeserver, told_room_actions, hear, clock
):
    """An operator renews keys, and a worker has not got the new one: for days, perhaps."""
    invitation = invite()
    bind()

    def without_key(_homeserver):
        raise CannotOpen

    for _ in range(30):
        work(replace(worker_services, connector_for=without_key))
        clock.advance(hours=7)
    assert now_at(invitation) is Delivery.DUE
    assert not is_told(told_homeserver)
    hear()
    told_room_actions.rooms[ROOM] = ToldRoom(members={CAMILLE})
    work(replace(worker_services, connector_for=without_key))
    assert now_at(invitation) is Delivery.SUPERSEDED


def test_a_module_that_is_silent_is_waited_for_as_long_as_it_counts_as_there(
    alone, invite, bind, now_at, told_room_actions, told_homeserver, hear, clock
):
    invitation = invite()
    hear()
    told_room_actions.stop()
    bind()
    work(alone)
    clock.advance(days=6)
    work(alone)
    assert now_at(invitation) is Delivery.DUE
    assert not is_told(told_homeserver)
    clock.advance(days=2)
    work(alone)
    assert now_at(invitation) is Delivery.DELIVERED


def test_a_homeserver_that_cannot_tell_is_no_answer(
    alone, invite, bind, now_at, told_room_actions, told_homeserver, hear
):
    """It is not in the room, or fetches its members still."""
    invitation = invite()
    hear()
    told_room_actions.rooms[ROOM] = ToldRoom(is_known=False)
    bind()
    work(alone)
    assert now_at(invitation) is Delivery.DUE
    assert not is_told(told_homeserver)


def test_a_module_that_does_not_say_that_it_can_is_not_asked(
    alone, invite, bind, now_at, told_room_actions, told_homeserver, hear
):
    invitation = invite()
    hear(actions="room,revoke")
    told_room_actions.stop()
    bind()
    work(alone)
    assert now_at(invitation) is Delivery.DELIVERED


def test_the_second_of_two_to_one_room_leaves_it_when_the_first_is_delivered(
    worker_services, invite, bind, read, told_room_actions
):
    both = [invite("one"), invite("two")]
    room = told_room_actions.rooms[ROOM] = ToldRoom(
        events={each.token: {"public_key": "key"} for each in both}
    )
    bind()
    work(worker_services)
    left = next(each for each in both if read(each)[1] is Delivery.SUPERSEDED)
    assert room.events[left.token] == {}
    with worker_services.database.reading() as session:
        for each in both:
            entry = outbox.find_by_subject(session, each.id, JobKind.REVOCATION)
            assert (entry is not None) == (each is left)
