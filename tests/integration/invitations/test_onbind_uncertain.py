"""Nobody saw how telling a homeserver ended: it is asked, and told again only if it needs to be."""

import pytest

from identity.core.http_client import Away
from identity.core.outbox import Lane
from identity.homeservers import models as homeservers
from identity.homeservers.admin_client import Refused
from identity.invitations import models as third_party_invitations
from identity.invitations.models import Delivery
from tests.services.waiting import free_port
from tests.worlds.worker import *
from tests.worlds.worker import CAMILLE, ROOM
from workers import tasks


def work(worker_services):
    tasks.run_lane(worker_services, Lane.NORMAL)


@pytest.mark.parametrize("lost", ["hang up", (504, b"<html>"), (500, b"{}")])
def test_after_an_uncertain_end_a_member_is_not_told_again(
    worker_services, invite, bind, now_at, told_homeserver, connector, clock, lost
):
    invitation = invite()
    bind()
    told_homeserver.answers = [lost]
    work(worker_services)
    assert now_at(invitation) is Delivery.SENDING
    connector.rooms[CAMILLE, ROOM] = "join"
    clock.advance(minutes=1)
    work(worker_services)
    assert now_at(invitation) is Delivery.DELIVERED
    assert (len(told_homeserver.told), connector.asked) == (1, 2)


def test_after_an_uncertain_end_who_is_not_there_is_told_again(
    worker_services, invite, bind, now_at, told_homeserver, connector, clock
):
    invitation = invite()
    bind()
    told_homeserver.answers = ["hang up", (200, b"{}")]
    work(worker_services)
    connector.failure = Away("no answer")
    clock.advance(minutes=1)
    work(worker_services)
    assert (now_at(invitation), len(told_homeserver.told)) == (Delivery.SENDING, 1)
    connector.failure = Refused("401 M_UNKNOWN_TOKEN")
    clock.advance(minutes=1)
    work(worker_services)
    assert (now_at(invitation), len(told_homeserver.told)) == (Delivery.SENDING, 1)
    connector.failure = None
    clock.advance(minutes=5)
    work(worker_services)
    assert (now_at(invitation), len(told_homeserver.told)) == (Delivery.DELIVERED, 2)


def test_after_an_uncertain_end_with_nobody_to_ask_a_person_decides(
    alone, invite, bind, now_at, told_homeserver, clock
):
    invitation = invite()
    bind()
    told_homeserver.answers = ["hang up"]
    work(alone)
    assert now_at(invitation) is Delivery.DEAD
    clock.advance(days=1)
    work(alone)
    assert len(told_homeserver.told) == 1


@pytest.mark.parametrize("lost", [(502, b"<html>"), (503, b"{}"), (429, b"{}"), (404, b"no")])
def test_where_nobody_can_be_asked_what_left_is_never_told_again(
    alone, invite, bind, now_at, told_homeserver, clock, lost
):
    """Who says that it was not handed on may be wrong."""
    invitation = invite()
    bind()
    told_homeserver.answers = [lost]
    work(alone)
    assert now_at(invitation) is Delivery.DEAD
    clock.advance(days=1)
    work(alone)
    assert len(told_homeserver.told) == 1


def test_where_nobody_can_be_asked_a_connection_that_failed_is_tried_again(
    alone, invite, bind, now_at, told_homeserver, clock
):
    invitation = invite()
    bind()
    with alone.database.transaction() as session:
        homeservers.find(session, "education.example").url = f"http://127.0.0.1:{free_port()}"
    work(alone)
    assert now_at(invitation) is Delivery.DUE
    with alone.database.transaction() as session:
        homeservers.find(session, "education.example").url = told_homeserver.url
    clock.advance(minutes=1)
    work(alone)
    assert now_at(invitation) is Delivery.DELIVERED


def test_a_worker_that_died_while_telling_leaves_an_uncertain_end(
    worker_services, invite, bind, now_at, told_homeserver, connector, clock
):
    invitation = invite()
    bind()
    connector.rooms[CAMILLE, ROOM] = "invite"
    with worker_services.database.transaction() as session:
        third_party_invitations.move_delivery(
            session,
            invitation,
            source=(Delivery.DUE,),
            to=Delivery.SENDING,
            invitee=CAMILLE,
        )
    work(worker_services)
    assert now_at(invitation) is Delivery.DELIVERED
    assert not told_homeserver.told
