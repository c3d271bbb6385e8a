"""Invitations that wait for their room, the module that reports of it, and what is mailed in the end."""

import uuid
from dataclasses import replace

import pytest

from domain_rules.addresses import EmailAddress
from identity.core.outbox import Lane
from identity.homeservers import modules as homeserver_modules
from identity.invitations import (
    history as invitation_events,
    models as third_party_invitations,
    store_invite,
)
from identity.invitations.store_invite import EphemeralKey, InviteRequest
from identity.mail import models as mails
from identity.synapse_api import reports as module_reports
from tests.services.told_room_actions import ToldRoom
from workers import tasks

EDUCATION = "education.example"
ZOE = f"@zoe:{EDUCATION}"
HERS = "zoe@ac-rouen.example"
GIL = "gil@association.example"
ROOM = "!room:education.example"


@pytest.fixture
def worker_services(told_services, clock, told_room_actions):
    room_actions_for = told_room_actions.client_for(clock, told_services.calls)
    return replace(
        told_services, room_actions_for=room_actions_for, connector_for=lambda _homeserver: None
    )


@pytest.fixture
def room(told_room_actions) -> ToldRoom:
    told_room_actions.rooms[ROOM] = ToldRoom(members={ZOE})
    return told_room_actions.rooms[ROOM]


@pytest.fixture
def hear(worker_services, clock):
    """The module of Zoé's homeserver asks for the rules."""

    def hear(reports="third_party_invited", actions="membership,revoke"):
        declared = homeserver_modules.read_declaration("2", reports, actions)
        with worker_services.database.transaction() as session:
            homeserver_modules.record_declaration(session, clock(), EDUCATION, declared)

    return hear


@pytest.fixture
def store(worker_services, rules, clock):
    """A homeserver asks us to keep an invitation."""

    def store(typed=GIL, room_id=ROOM):
        invited = InviteRequest(typed, EmailAddress.parse(typed), room_id, ZOE)
        key = EphemeralKey(f"public {uuid.uuid4()}", "sealed")
        with worker_services.database.transaction() as session:
            return store_invite.store(
                session, rules, clock(), invited=invited, key=key, signing_key_id="ed25519:0"
            )

    return store


@pytest.fixture
def report(worker_services, rules, clock):
    def report(kind, **facts):
        with worker_services.database.transaction() as session:
            return module_reports.process(
                session,
                rules,
                clock(),
                policy="rule",
                homeserver=EDUCATION,
                report_id=uuid.uuid4(),
                content={"kind": kind, "at": 1, **facts},
            ).result

    return report


@pytest.fixture
def took(report):
    """The module reports that the room took it."""

    def took(invitation):
        return report(
            "third_party_invited", room_id=ROOM, token=invitation.token, sender=invitation.sender
        )

    return took


@pytest.fixture
def after(worker_services, clock):
    """So long after the last time, all that is due."""

    def after(**time):
        clock.advance(**time)
        tasks.run_lane(worker_services, Lane.NORMAL)

    return after


@pytest.fixture
def mailed(worker_services):
    """Templates of the mails that left to an address, oldest first."""

    def mailed(address=GIL):
        with worker_services.database.reading() as session:
            found = mails.find_by_address(session, address)
            return [mail.template for mail in reversed(found) if mail.state == "handed"]

    return mailed


@pytest.fixture
def read(worker_services):
    """State, what it waits for, and what happened last."""

    def read(invitation):
        with worker_services.database.reading() as session:
            row = third_party_invitations.find(session, invitation.id)
            history = invitation_events.find_events(session, row.id)
            return row.state, row.awaits, history[-1].happened

    return read
