"""The mail of an invitation where others tell of its room, or somebody asks again, or a worker dies."""

from dataclasses import replace
from datetime import timedelta

import pytest

from identity.binding import service as binding
from identity.bulk_invites.models import BulkInvite, BulkInviteRow, Step, select_being_placed
from identity.core import leases, outbox
from identity.core.http_client import Away
from identity.core.outbox import JobKind, Lane
from identity.core.sealing import CannotOpen
from identity.homeservers.room_actions import Standing
from identity.invitations import history as invitation_events, search as invitation_search
from identity.invitations.jobs import timetable as invitation_timetable
from tests.worlds.worker import *
from tests.worlds.worker_rooms import *
from tests.worlds.worker_rooms import EDUCATION, GIL, HERS, ROOM, ZOE
from workers import tasks


@pytest.mark.parametrize("answer", [True, Away("no answer")])
def test_the_administration_is_asked_where_there_is_no_module_and_its_silence_stops_nothing(
    worker_services, store, mailed, clock, answer
):
    store()
    clock.advance(seconds=3)
    tasks.run_lane(
        replace(worker_services, connector_for=lambda _h: Administration(answer)), Lane.NORMAL
    )
    assert mailed() == ["invite"]


def test_a_token_that_no_key_here_opens_is_silence_too(worker_services, store, mailed, clock):
    store()
    clock.advance(seconds=3)
    tasks.run_lane(replace(worker_services, connector_for=without_key), Lane.NORMAL)
    assert mailed() == ["invite"]


def without_key(_homeserver):
    raise CannotOpen


def test_what_the_administration_does_not_see_in_the_room_is_not_mailed(
    worker_services, store, mailed, read, clock
):
    invitation = store()
    for seconds in (3, 12, 45):
        clock.advance(seconds=seconds)
        tasks.run_lane(
            replace(worker_services, connector_for=lambda _h: Administration(False)), Lane.NORMAL
        )
    assert read(invitation)[2] == "not_in_room"
    assert mailed() == []


class Administration:
    """A homeserver's, by value."""

    def __init__(self, answer):
        self.answer = answer

    def holds_invitation(self, _room_id, _token):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def test_who_asks_again_and_is_out_of_the_room_by_then_mails_nobody(
    hear, room, store, took, after, mailed, read
):
    hear()
    invitation = store()
    took(invitation)
    room.events[invitation.token] = {"public_key": "key"}
    after(seconds=3)
    room.members.clear()
    after(hours=73)
    hear()
    assert store().id == invitation.id
    for seconds in (3, 12, 45):
        after(seconds=seconds)
    assert mailed() == ["invite"]
    assert read(invitation)[1:] == (None, "not_in_room")
    room.members.add(ZOE)
    hear()
    store()
    after(seconds=3)
    assert mailed() == ["invite", "invite"]


def test_a_report_that_comes_while_the_room_is_asked_has_the_last_word(
    worker_services, hear, room, store, took, after, mailed, read, clock
):
    hear()
    invitation = store()
    for seconds in (3, 12):
        after(seconds=seconds)

    class RoomActions:
        def standing(self, **_facts):
            assert took(invitation) == "ok"
            return Standing("join", holds_invitation=False)

    clock.advance(seconds=45)
    tasks.run_lane(
        replace(worker_services, room_actions_for=lambda _homeserver: RoomActions()), Lane.NORMAL
    )
    assert mailed() == ["invite"]
    assert read(invitation)[1:] == (None, "sent")
    with worker_services.database.reading() as session:
        history = invitation_events.find_events(session, invitation.id)
    assert "not_in_room" not in {event.happened for event in history}


def test_a_report_that_comes_late_mails_nobody_a_second_time(store, took, after, mailed):
    """Nobody asked for it anew: the module was away, and its homeserver passed for one without."""
    invitation = store()
    after(seconds=3)
    assert mailed() == ["invite"]
    after(hours=80)
    assert took(invitation) == "ok"
    after(hours=1)
    assert mailed() == ["invite"]


def test_of_a_worker_that_died_meanwhile_nothing_is_missing(
    worker_services, hear, room, store, after, mailed, clock
):
    """It had asked, and wrote nothing down: whoever takes the errand up asks again."""
    hear()
    invitation = store()
    room.events[invitation.token] = {"public_key": "key"}
    clock.advance(seconds=3)
    with worker_services.database.transaction() as session:
        assert leases.lease_next(session, clock(), Lane.NORMAL).kind == JobKind.ROOM_TOOK
    after(seconds=1)
    assert mailed() == []
    after(seconds=60)
    assert mailed() == ["invite"]


def test_a_room_that_nobody_asks_any_more_is_asked_by_the_timetable(
    worker_services, hear, room, store, after, mailed, clock
):
    """Beside a new web a worker of the version before gives the errand up: it does not know it."""
    hear()
    invitation = store()
    with worker_services.database.transaction() as session:
        entry = leases.lease_next(session, clock() + timedelta(seconds=3), Lane.NORMAL)
        assert leases.give_up(session, entry, clock(), "ValueError")
    room.events[invitation.token] = {"public_key": "key"}
    after(minutes=9)
    invitation_timetable.run_due_tasks(worker_services)
    after(minutes=2)
    assert mailed() == []
    for _ in range(2):
        invitation_timetable.run_due_tasks(worker_services)
    hear()
    after(seconds=3)
    assert mailed() == ["invite"]
    with worker_services.database.reading() as session:
        assert invitation_search.find_unasked(session, clock(), but_not=select_being_placed()) == []


@pytest.mark.parametrize("step", [Step.WAITING, Step.FAILED])
def test_what_a_list_is_about_to_place_is_asked_for_by_nobody_else(
    worker_services, place_by_list, clock, step
):
    invitation = place_by_list(step)
    clock.advance(hours=1)
    invitation_timetable.run_due_tasks(worker_services)
    with worker_services.database.reading() as session:
        asked = outbox.find_by_subject(session, invitation.id, JobKind.ROOM_TOOK)
    assert (asked is None) == (step is Step.WAITING)


@pytest.fixture
def place_by_list(worker_services, store, clock):
    """An invitation that a row of a list keeps, at this step."""

    def place_by_list(step):
        invitation = store()
        with worker_services.database.transaction() as session:
            session.delete(outbox.find_by_subject(session, invitation.id))
            made = BulkInvite(
                owner=ZOE,
                owner_address=HERS,
                room_id=ROOM,
                room_name="",
                takes_guests=True,
                file_name="",
                language="fr",
                column_name="",
                elsewhere=0,
                created_at=clock(),
            )
            session.add(made)
            session.flush()
            session.add(
                BulkInviteRow(
                    list_id=made.id,
                    place=1,
                    line=1,
                    typed=GIL,
                    aside="",
                    address=GIL,
                    outcome="ready",
                    detail="",
                    caution="",
                    for_guest=True,
                    step=step,
                    invitation_id=invitation.id,
                )
            )
        return invitation

    return place_by_list


def test_another_spelling_of_a_bound_address_is_delivered_once_the_room_took_it(
    worker_services, hear, room, store, took, after, read, clock, told_homeserver
):
    with worker_services.database.transaction() as session:
        binding.associate(session, clock(), address=HERS, user_id=f"@camille:{EDUCATION}")
    hear()
    invitation = store(HERS.upper())
    after(seconds=3)
    assert told_homeserver.told == []
    took(invitation)
    after(seconds=0)
    assert any("onbind" in method for method in told_homeserver.methods)
    assert read(invitation) == ("delivered", None, "delivered")
