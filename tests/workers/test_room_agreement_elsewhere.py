"""The mail of an invitation where others tell of its room, or somebody asks again, or a worker dies."""

from dataclasses import replace

import pytest

from identity.gateways.http_client import Away
from identity.storage import outbox
from identity.storage.outbox import Errand, Lane
from identity.use_cases import binding
from identity.vault import CannotOpen
from workers import tasks

from .rooms_told import *  # noqa: F403  its fixtures
from .rooms_told import EDUCATION, HERS, ZOE


@pytest.mark.parametrize("answer", [True, Away("no answer")])
def test_the_administration_is_asked_where_there_is_no_module_and_its_silence_stops_nothing(
    wired, store, mailed, clock, answer
):
    store()
    clock.advance(seconds=3)
    tasks.run(replace(wired, connector_for=lambda _h: Administration(answer)), Lane.NORMAL)
    assert mailed() == ["invite"]


def test_a_token_that_no_key_here_opens_is_silence_too(wired, store, mailed, clock):
    store()
    clock.advance(seconds=3)
    tasks.run(replace(wired, connector_for=without_key), Lane.NORMAL)
    assert mailed() == ["invite"]


def without_key(_homeserver):
    raise CannotOpen


def test_what_the_administration_does_not_see_in_the_room_is_not_mailed(
    wired, store, mailed, read, clock
):
    invitation = store()
    for seconds in (3, 12, 45):
        clock.advance(seconds=seconds)
        tasks.run(replace(wired, connector_for=lambda _h: Administration(False)), Lane.NORMAL)
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


def test_of_a_worker_that_died_meanwhile_nothing_is_missing(
    wired, hear, room, store, after, mailed, clock
):
    """It had asked, and wrote nothing down: whoever takes the errand up asks again."""
    hear()
    invitation = store()
    room.events[invitation.token] = {"public_key": "key"}
    clock.advance(seconds=3)
    with wired.database.transaction() as session:
        assert outbox.lease_next(session, clock(), Lane.NORMAL).errand == Errand.ROOM_TOOK
    after(seconds=1)
    assert mailed() == []
    after(seconds=60)
    assert mailed() == ["invite"]


def test_another_spelling_of_a_bound_address_is_delivered_once_the_room_took_it(
    wired, hear, room, store, took, after, read, clock, told_homeserver
):
    with wired.database.transaction() as session:
        binding.associate(session, clock(), address=HERS, user_id=f"@camille:{EDUCATION}")
    hear()
    invitation = store(HERS.upper())
    after(seconds=3)
    assert told_homeserver.told == []
    took(invitation)
    after(seconds=0)
    assert any("onbind" in method for method in told_homeserver.methods)
    assert read(invitation) == ("delivered", None, "delivered")
