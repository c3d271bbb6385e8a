"""Lists of people without their pages: the estimate, the order of steps, and what is forgotten."""

from identity.bulk_invites import report as list_report
from identity.bulk_invites import service as people_lists
from identity.bulk_invites.service import Owner, RoomSeen
from identity.core import outbox
from identity.mail import models as mails
from tests.identity.list_senders import LIST, ROOM, ZOE, desk, run, service, settings

__all__ = ["desk", "service", "settings"]


def checked(session, service, text=LIST):
    """A list of Zoe's, of which nothing is sent yet."""
    rules, now = service.rules.current(), service.now()
    owner, room = Owner(ZOE), RoomSeen(ROOM)
    return people_lists.check(session, rules, now, owner=owner, room=room, raw=text.encode())


def test_the_estimate_knows_the_quota(service):
    with service.database.transaction() as session:
        made = checked(session, service)
        soon = list_report.ends_at(session, service.now(), made, guests=10, agents=10)
        late = list_report.ends_at(session, service.now(), made, guests=120, agents=10)
    assert (soon - service.now()).total_seconds() < 60
    assert (late - service.now()).days == 2


TWO = "lea@asso.example;lea@maison.example\ngil@asso.example;gil@maison.example\n"


def test_what_other_columns_held_is_forgotten_when_the_list_is_sent(service):
    with service.database.transaction() as session:
        made = checked(session, service, TWO)
        people_lists.choose(session, service.rules.current(), service.now(), made, 2)
        people_lists.choose(session, service.rules.current(), service.now(), made, 1)
        assert len(people_lists.stored.columns_of(session, made.id)) == 3
        people_lists.confirm(session, service.rules.current(), service.now(), made)
        assert people_lists.stored.columns_of(session, made.id) == []
        rows = people_lists.stored.rows_of(session, made.id)
    assert [row.typed for row in rows] == ["lea@asso.example", "gil@asso.example"]


def test_a_list_that_was_never_sent_is_forgotten_with_its_columns(service, clock):
    with service.database.transaction() as session:
        made = checked(session, service, TWO)
        clock.advance(days=91)
        assert people_lists.stored.forget(session, clock() - people_lists.KEPT) == 1
        assert people_lists.stored.columns_of(session, made.id) == []


def test_old_lists_are_forgotten(service, clock):
    with service.database.transaction() as session:
        checked(session, service)
        clock.advance(days=91)
        assert people_lists.stored.forget(session, clock() - people_lists.KEPT) == 1
        assert people_lists.stored.of_owner(session, ZOE) == []


def test_no_mail_is_ordered_before_the_room_holds_the_invitation(service, postbox, desk):
    seen = []
    with service.database.transaction() as session:
        made = checked(session, service, "lea@asso.example\n")
        people_lists.confirm(session, service.rules.current(), service.now(), made)

    def look(**asked):
        with service.database.reading() as session:
            seen.append(len(mails.to_address(session, "lea@asso.example")))
        desk.placed.append((asked["token"], asked["address"]))

    desk.invite = look
    run(service)
    with service.database.reading() as session:
        assert len(mails.to_address(session, "lea@asso.example")) == 1
        assert outbox.depth(session, service.now()) == {}
    assert seen == [0]
