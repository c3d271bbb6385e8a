"""Who has joined a room is not invited to it once more, whatever the loaded backup says."""

from dataclasses import replace

import pytest
from sqlalchemy import select

from identity.core.outbox import Job, Lane
from identity.invitations import models as third_party_invitations
from identity.invitations.models import Delivery, State
from tests.worlds.backups import *
from tests.worlds.worker import *
from workers import tasks

AGENT = "@camille:education.example"


@pytest.fixture
def backups(worker_services) -> Backups:
    return Backups(worker_services)


@pytest.fixture
def restore(backups, clock):
    def restore():
        backups.bring_back(clock)
        for _ in range(2):
            clock.advance(minutes=5)
            backups.work()

    return restore


@pytest.fixture
def due(invite, bind):
    invitation = invite()
    bind()
    return invitation


def test_who_has_joined_is_not_invited_again(
    due, backups, restore, told_homeserver, connector, now_at, worker_services
):
    backups.take()
    backups.work(Lane.NORMAL)
    assert len(told_homeserver.told) == 1
    connector.rooms[AGENT, ROOM] = "join"
    restore()
    assert len(told_homeserver.told) == 1
    with worker_services.database.reading() as session:
        assert third_party_invitations.find(session, due.id).state == State.DELIVERED


def test_who_was_never_told_is_told_after_the_question(
    due, backups, restore, told_homeserver, connector, now_at
):
    backups.take()
    restore()
    assert connector.asked >= 1
    assert len(told_homeserver.told) == 1
    assert now_at(due) is Delivery.DELIVERED


def test_where_nobody_can_be_asked_nobody_is_told_and_an_operator_sees_it(
    due, backups, restore, told_homeserver, now_at, alone
):
    backups.worker = replace(alone, room_actions_for=lambda _homeserver: None)
    backups.take()
    restore()
    assert told_homeserver.told == []
    assert now_at(due) is Delivery.DEAD


def test_an_address_bound_after_the_backup_and_again_now_makes_no_second_onbind(
    invite, bind, backups, restore, told_homeserver, connector, now_at, alone, clock
):
    asked, blind = invite("asked"), invite("blind", "!blind:education.example")
    backups.take()
    restore()
    clock.advance(minutes=1)
    connector.rooms[AGENT, ROOM] = "join"
    bind()
    told = {}
    for name, worker in (("asked", backups.worker), ("blind", alone)):
        with backups.worker.database.reading() as session:
            subject = third_party_invitations.find_by_token(session, name).id
            job = session.scalars(select(Job).where(Job.subject_id == subject)).one()
        tasks.carry_out(replace(worker, room_actions_for=lambda _homeserver: None), job)
        told[name] = len(told_homeserver.told)
    assert told == {"asked": 0, "blind": 0}
    assert (now_at(asked), now_at(blind)) == (Delivery.SUPERSEDED, Delivery.DEAD)


def test_one_that_is_invited_after_the_restore_is_told_as_ever(
    invite, bind, backups, restore, told_homeserver, alone, clock, now_at
):
    backups.take()
    restore()
    clock.advance(minutes=1)
    backups.worker = alone
    invitation = invite()
    bind()
    backups.work()
    assert len(told_homeserver.told) == 1
    assert now_at(invitation) is Delivery.DELIVERED
