"""Several at one list at the same moment: its owner in two tabs, and the worker. On a real PostgreSQL."""

import threading
from datetime import timedelta
from functools import partial

import pytest

from identity.bulk_invites import models as bulk_invites, quota, quota_models, service as lists
from identity.bulk_invites.models import BulkInvite
from identity.bulk_invites.service import AlreadySent
from identity.core import leases
from identity.core.outbox import Lane
from tests.worlds.bulk_inviters import desk, service, settings
from tests.worlds.long_lists import (
    LONG,
    QUOTA,
    confirm,
    now_of,
    people,
    rows_of,
    small_batches,
    take,
    work,
)

__all__ = ["desk", "service", "settings", "small_batches"]
pytestmark = pytest.mark.usefixtures("small_batches")


@pytest.fixture
def database_url(postgresql_url) -> str:
    return postgresql_url


def test_stop_does_not_wait_for_the_worker_that_waits_for_it(service):
    made = take(service, people(LONG))
    work(service)
    confirm(service, made)

    def stop():
        with service.database.transaction() as session:
            lists.stop(session, service.now(), session.get_one(BulkInvite, made.id))

    stopping = threading.Thread(target=stop)
    with service.database.transaction() as session:
        job = leases.lease_next(session, service.now(), Lane.ACCOUNTS)
    with service.database.transaction() as session:  # a batch, as the worker begins it
        assert bulk_invites.lock(session, made.id).state == "ordering"
        stopping.start()
        stopping.join(0.2)  # it waits for the list, and holds nothing of the worker's
        assert leases.renew(session, job, service.now())
    stopping.join(60)
    work(service)
    assert now_of(service, made).state == "done"


@pytest.mark.parametrize("change", ["correct", "confirm"])
def test_what_another_tab_has_sent_meanwhile_is_seen_once_the_list_is_locked(service, change):
    made = take(service, people(LONG - 2))
    row, *_ = rows_of(service, made)
    rules, now = service.rules.current(), service.now()
    tab = {
        "correct": partial(lists.correct_row, row_id=row.id, text="somebody@asso.example"),
        "confirm": partial(lists.confirm, quota=QUOTA),
    }[change]
    with service.database.transaction() as session:
        found = lists.find(session, made.id, made.owner)
        confirm(service, made)  # in the other tab
        with pytest.raises(AlreadySent):
            tab(session, rules, now, found)
    assert rows_of(service, made)[0].address == row.address


def test_before_and_after_midnight_no_place_of_a_day_is_given_twice(service):
    before = service.now().replace(hour=23, minute=59, second=59)
    after, used = before + timedelta(seconds=2), []

    def reserve():
        with service.database.transaction() as session:
            quota.reserve(session, after, "one", 10, quota=10)
            used.append(quota_models.used_from(session, "one", after.date()))

    reserving = threading.Thread(target=reserve)
    with service.database.transaction() as session:
        quota.reserve(session, before, "one", 10, quota=10)
    with service.database.transaction() as session:
        quota_models.lock(session, "one")
        reserving.start()
        reserving.join(0.2)  # if it did not wait, it would be over by now
        quota.reserve(session, before, "one", 7, quota=10)
    reserving.join(60)
    assert used == [{after.date(): 10, after.date() + timedelta(days=1): 7}]
