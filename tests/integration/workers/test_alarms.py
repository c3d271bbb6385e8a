"""A lane is looked at again when it has work, not only when the timetable comes by."""

import threading
import uuid
from datetime import timedelta
from email.utils import parsedate_to_datetime

import pytest

from identity.core.outbox import Lane
from identity.mail import models as mails
from identity.mail.outcomes import NotSent, Outcome
from identity.mail.quota import Template
from identity.sign_up.models import VerificationRequest
from tests.worlds.worker import *
from workers import tasks
from workers.alarms import NEAR, Alarms

SECOND = timedelta(seconds=1)


@pytest.fixture
def order(services, clock):
    def order(due_at):
        with services.database.transaction() as session:
            asked = VerificationRequest(
                address=f"{uuid.uuid4().hex}@asso.example",
                browser=uuid.uuid4().hex,
                ordinal=1,
                language="fr",
                created_at=clock(),
                asked_at=clock(),
                expires_at=clock() + timedelta(days=1),
            )
            session.add(asked)
            session.flush()
            mails.order(
                session,
                clock(),
                template=Template.NONE,
                address=asked.address,
                language="fr",
                subject_id=asked.id,
                due_at=due_at,
            )

    return order


class Bells:
    """Hears the lanes that are rung for."""

    def __init__(self):
        self.heard: list[str] = []
        self._something = threading.Condition()

    def __call__(self, lanes):
        with self._something:
            self.heard += lanes
            self._something.notify_all()

    def wait(self, number):
        with self._something:
            assert self._something.wait_for(lambda: len(self.heard) >= number, timeout=60)


@pytest.fixture
def bells():
    return Bells()


def test_a_run_says_when_the_lane_has_work_next(services, order, postbox, clock):
    assert tasks.run_lane(services, Lane.NORMAL) is None
    soon, later = clock() + 3 * SECOND, clock() + timedelta(hours=1)
    order(later)
    order(soon)
    assert tasks.run_lane(services, Lane.NORMAL) == soon
    assert not postbox.sent
    clock.time = soon
    assert tasks.run_lane(services, Lane.NORMAL) == later
    assert len(postbox.sent) == 1
    assert parsedate_to_datetime(postbox.sent[0]["Date"]) == soon


def test_a_lane_whose_relay_is_down_is_left_to_the_timetable(services, order, postbox, clock):
    order(clock())
    postbox.failure = NotSent(Outcome.RELAY_DOWN, "timed out")
    assert tasks.run_lane(services, Lane.NORMAL) is None


def test_an_alarm_rings_once_at_its_moment(bells, clock):
    alarms = Alarms(bells)
    for _ in range(3):  # all before it rings, on a busy machine too
        alarms.set(Lane.URGENT, clock(), clock() + SECOND)
    bells.wait(1)
    alarms.set(Lane.URGENT, clock(), clock())
    bells.wait(2)
    assert bells.heard == ["urgent", "urgent"]


def test_an_alarm_is_set_to_another_moment(bells, clock):
    alarms = Alarms(bells)
    alarms.set(Lane.URGENT, clock(), clock() + NEAR)
    alarms.set(Lane.BULK, clock(), clock() + NEAR)
    alarms.set(Lane.URGENT, clock(), clock())
    bells.wait(1)
    assert bells.heard == ["urgent"]
    alarms.set(Lane.BULK, clock(), None)


def test_what_is_far_ahead_is_left_to_the_sweep(bells, clock):
    alarms = Alarms(bells)
    alarms.set(Lane.URGENT, clock(), clock() + NEAR + SECOND)
    assert not alarms._set
