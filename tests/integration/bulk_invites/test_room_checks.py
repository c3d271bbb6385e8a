"""A page asks what a homeserver says of a room: the worker asks there, once, while somebody waits."""

from dataclasses import replace

import pytest

from identity.bulk_invites import room_check_models, room_checks
from identity.core.http_client import Away
from identity.homeservers.admin_client import Refused
from identity.homeservers.room_actions import NoModule, Room
from tests.worlds.worker import *
from tests.worlds.worker import ROOM
from workers import tasks

ZOE = "@zoe:education.example"


@pytest.fixture
def desk():
    return RoomActions()


class RoomActions:
    """By value."""

    def __init__(self):
        self.asked, self.failure = [], None

    def look(self, *, room_id, sender):
        self.asked.append((room_id, sender))
        if self.failure is not None:
            raise self.failure
        return Room(True, True, False, "Cellule")


@pytest.fixture
def worker_services(told_services, desk):
    return replace(told_services, room_actions_for=lambda _homeserver: desk)


@pytest.fixture
def ask(worker_services, clock):
    def ask(room_id=ROOM, user_id=ZOE):
        with worker_services.database.transaction() as session:
            return room_checks.request_check(session, clock(), user_id=user_id, room_id=room_id)

    return ask


@pytest.fixture
def answer(worker_services):
    def answer(look_id):
        tasks.run_lane(worker_services, room_checks.LANE)
        with worker_services.database.reading() as session:
            found = room_check_models.find(session, look_id)
            return found.answer, found.failure

    return answer


def test_what_the_homeserver_says_is_written_down_for_the_page(ask, answer, desk):
    told, failure = answer(ask())
    assert (Room(**told), failure) == (Room(True, True, False, "Cellule"), None)
    assert desk.asked == [(ROOM, ZOE)]


@pytest.mark.parametrize(
    ("failure", "word"),
    [(NoModule("none"), "no_module"), (Away("late"), "away"), (Refused("no"), "away")],
)
def test_what_it_does_not_say_is_a_word(ask, answer, desk, failure, word):
    desk.failure = failure
    assert answer(ask()) == (None, word)


def test_a_homeserver_that_is_not_registered_is_not_asked(ask, answer, desk):
    assert answer(ask(user_id="@eve:elsewhere.example")) == (None, "no_module")
    assert desk.asked == []


def test_nobody_is_asked_for_whom_nobody_waits(ask, answer, desk, clock):
    look_id = ask()
    clock.advance(seconds=11)
    assert answer(look_id) == (None, None)
    assert desk.asked == []


def test_pressed_twice_it_is_one_question_and_one_person_has_three_at_once(ask, answer, clock):
    first = ask()
    assert ask() == first
    others = [ask(f"!room{number}:x") for number in range(2)]
    assert None not in others
    assert ask("!room3:x") is None
    assert ask(user_id="@ada:education.example") is not None
    answer(first)
    assert ask() != first
