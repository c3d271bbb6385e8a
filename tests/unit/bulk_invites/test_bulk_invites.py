"""Lists of people without their pages: the estimate, the order of steps, and what is forgotten."""

import pytest

from identity.bulk_invites import service as bulk_invites
from identity.bulk_invites.service import Owner, RoomSeen
from identity.core import waiting_jobs
from identity.mail import models as mails
from identity.maintenance import retention
from tests.worlds.bulk_inviters import LIST, ROOM, ZOE, desk, run, service, settings
from tests.worlds.sign_ups import *

__all__ = ["desk", "service", "settings"]


def checked(session, service, text=LIST):
    """A list of Zoe's, of which nothing is sent yet."""
    rules, now = service.rules.current(), service.now()
    owner, room = Owner(ZOE), RoomSeen(ROOM)
    return bulk_invites.check(session, rules, now, owner=owner, room=room, raw=text.encode())


def confirm(session, service, made):
    rules, now = service.rules.current(), service.now()
    return bulk_invites.confirm(session, rules, now, made, quota=1000)


TWO = "lea@asso.example;lea@maison.example\ngil@asso.example;gil@maison.example\n"


def test_what_other_columns_held_is_forgotten_when_the_list_is_sent(service):
    with service.database.transaction() as session:
        made = checked(session, service, TWO)
        bulk_invites.choose_column(session, service.rules.current(), service.now(), made, 2)
        bulk_invites.choose_column(session, service.rules.current(), service.now(), made, 1)
        assert len(bulk_invites.bulk_invites.columns_of(session, made.id)) == 3
        confirm(session, service, made)
        assert bulk_invites.bulk_invites.columns_of(session, made.id) == []
        rows = bulk_invites.bulk_invites.rows_of(session, made.id)
    assert [row.typed for row in rows] == ["lea@asso.example", "gil@asso.example"]


def test_a_list_that_was_never_sent_is_forgotten_with_its_columns(service, clock):
    with service.database.transaction() as session:
        made = checked(session, service, TWO)
        clock.advance(days=91)
        assert (
            bulk_invites.bulk_invites.forget(session, clock() - retention.BULK_INVITES, limit=99)
            > 0
        )
        assert bulk_invites.bulk_invites.columns_of(session, made.id) == []


def test_old_lists_are_forgotten(service, clock):
    with service.database.transaction() as session:
        checked(session, service)
        clock.advance(days=91)
        assert (
            bulk_invites.bulk_invites.forget(session, clock() - retention.BULK_INVITES, limit=99)
            > 0
        )
        assert bulk_invites.bulk_invites.find_by_owner(session, ZOE) == []


@pytest.mark.slow
def test_no_mail_is_ordered_before_the_room_holds_the_invitation(service, postbox, desk):
    seen = []
    with service.database.transaction() as session:
        made = checked(session, service, "lea@asso.example\n")
        confirm(session, service, made)

    def look(**asked):
        with service.database.reading() as session:
            seen.append(len(mails.find_by_address(session, "lea@asso.example")))
        desk.placed.append((asked["token"], asked["address"]))

    desk.invite = look
    run(service)
    with service.database.reading() as session:
        assert len(mails.find_by_address(session, "lea@asso.example")) == 1
        assert waiting_jobs.depth_by_lane(session, service.now()) == {}
    assert seen == [0]
