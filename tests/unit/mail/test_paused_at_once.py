"""A mail that is resumed at the very moment a worker puts it off: on a real PostgreSQL."""

import threading

import pytest

from identity.core import leases
from identity.core.job_outcomes import Later
from identity.core.journal import Actor
from identity.core.outbox import Lane
from identity.mail import pausing
from identity.mail.jobs import sending as jobs
from identity.mail_kinds import kind_of
from workers import tasks

OLGA = Actor("olga", "here", "their filter blocks us")


@pytest.fixture
def change(services):
    def change(function):
        with services.database.transaction() as session:
            return function(session, services.now(), OLGA, kind="verify", domain="")

    return change


@pytest.fixture
def database_url(postgresql_url) -> str:
    return postgresql_url


def test_resumed_at_the_moment_it_is_postponed_a_mail_does_not_sleep(
    services, request_, change, postbox
):
    """The worker has seen the pause and not committed yet: whoever resumes waits for it."""
    change(pausing.pause)
    with services.database.transaction() as session:
        job = leases.lease_next(session, services.now(), Lane.URGENT)
    with pytest.raises(Later) as later:
        jobs.send_mail(services, job, kind_of=kind_of)
    released: list[int] = []
    resuming = threading.Thread(target=lambda: released.append(change(pausing.resume)))
    with services.database.transaction() as session:
        assert leases.postpone(session, job, services.now() + later.value.delay, later.value.why)
        later.value.note(session)
        resuming.start()
        resuming.join(0.2)  # if it did not wait, it would be over by now
    resuming.join(60)
    assert released == [1]
    tasks.run_lane(services, Lane.URGENT)
    assert len(postbox.sent) == 1
