"""What the delivery of an invitation does to its state and its history; and that the rules are asked once more."""

from dataclasses import dataclass, replace

import pytest

from domain_rules.rule import AccountClass, Rule, RuleKind
from domain_rules.rules import RuleSet
from identity.core import outbox
from identity.core.outbox import JobKind, Lane
from identity.homeservers import models as homeservers
from identity.homeservers.room_actions import NoModule
from identity.invitations import history as invitation_events, service as invitations
from identity.invitations.models import Delivery, ThirdPartyInvitation
from identity.threepids import associations
from tests.worlds.worker import *
from tests.worlds.worker import ADDRESS, CAMILLE
from workers import tasks

ZOE = "@zoe:education.example"


@dataclass(frozen=True)
class FixedRules:
    """Rules that are what the test says."""

    rule_set: RuleSet
    degraded: bool = False

    def current(self) -> RuleSet:
        return self.rule_set


class NoDesk:
    """Of a homeserver without our module."""

    def revoke(self, **_):
        raise NoModule


@pytest.fixture
def worker_services(told_services):
    return replace(told_services, room_actions_for=lambda _homeserver: NoDesk())


@pytest.fixture
def read(worker_services):
    def read(invitation):
        with worker_services.database.reading() as session:
            row = session.get_one(ThirdPartyInvitation, invitation.id)
            found = invitation_events.find_events(session, row.id)
            return row, [event.happened for event in found]

    return read


def work(worker_services):
    tasks.run_lane(worker_services, Lane.NORMAL)


def test_it_is_accepted_when_the_person_comes_and_delivered_when_the_homeserver_knows(
    worker_services, invite, bind, read, clock
):
    invitation = invite()
    bind()
    assert read(invitation)[0].state == "accepted"
    clock.advance(seconds=1)
    work(worker_services)
    row, history = read(invitation)
    assert (row.state, history) == ("delivered", ["accepted", "delivered"])


def test_another_to_the_same_room_is_delivered_by_the_first(worker_services, invite, bind, read):
    both = [invite("one"), invite("two")]
    bind()
    work(worker_services)
    assert {read(each)[0].state for each in both} == {"delivered"}


def test_who_gives_the_address_up_before_leaves_it_waiting(
    worker_services, invite, bind, read, clock
):
    invitation = invite()
    bind()
    with worker_services.database.transaction() as session:
        associations.unbind(session, address=ADDRESS, user_id=CAMILLE)
    clock.advance(seconds=1)
    work(worker_services)
    row, history = read(invitation)
    assert (row.state, history) == ("queued", ["accepted", "waits_again"])
    assert row.delivery == Delivery.WAITING


def test_an_inviter_who_is_no_agent_any_more_does_not_bring_people_in(
    worker_services, invite, bind, read, told_homeserver
):
    invitation = invite()
    with worker_services.database.transaction() as session:
        homeservers.find(session, "education.example").class_source = "guest"
    bind()
    work(worker_services)
    row, history = read(invitation)
    assert (row.state, row.delivery) == ("revoked", Delivery.WAITING)
    assert history[:2] == ["accepted", "revoked"]
    assert not any("onbind" in method for method in told_homeserver.methods)
    with worker_services.database.reading() as session:
        assert outbox.find_by_subject(session, invitation.id, JobKind.REVOCATION)


def test_whom_it_is_for_is_decided_by_the_rules_of_then(worker_services, invite, bind, read):
    guests = RuleSet.compile(
        [Rule(RuleKind.DEFAULT, "", AccountClass.GUEST, "guests.example", requires_invite=True)]
    )
    invitation = invite()
    assert not read(invitation)[0].for_guest
    bind()
    work(replace(worker_services, rules=FixedRules(guests)))
    assert read(invitation)[0].for_guest


@pytest.fixture
def revoked_under_way(worker_services, invite, bind, clock):
    """Nobody saw how the call ended, and meanwhile the inviter revoked."""
    invitation = invite()
    bind()
    with worker_services.database.transaction() as session:
        row = session.get_one(ThirdPartyInvitation, invitation.id)
        row.delivery, row.invitee = Delivery.SENDING, CAMILLE
    with worker_services.database.transaction() as session:
        row = session.get_one(ThirdPartyInvitation, invitation.id)
        assert invitations.revoke(session, clock(), row, by=ZOE)
    clock.advance(seconds=1)
    return invitation


def test_a_delivery_that_was_under_way_when_it_was_revoked_is_told_in_the_history(
    worker_services, revoked_under_way, read, connector
):
    invitation = revoked_under_way
    connector.rooms[CAMILLE, invitation.room_id] = "invite"
    work(worker_services)
    row, history = read(invitation)
    assert (row.state, row.delivery) == ("revoked", Delivery.DELIVERED)
    assert "delivered" in history


def test_where_nobody_can_be_asked_a_revoked_one_is_left_alone(
    worker_services, revoked_under_way, read
):
    work(replace(worker_services, connector_for=lambda _homeserver: None))
    row, history = read(revoked_under_way)
    assert (row.state, row.delivery) == ("revoked", Delivery.WAITING)
    assert "delivered" not in history
