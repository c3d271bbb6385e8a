"""Somebody is erased while the worker is at a list that names them. On a real PostgreSQL."""

import threading

import pytest
from sqlalchemy import text

from domain_rules.addresses import EmailAddress
from identity.bulk_invites import checking, ordering
from identity.core.journal import Actor
from identity.people import erasure
from tests.worlds.bulk_inviters import desk, service, settings
from tests.worlds.long_lists import (
    BATCH,
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

OLGA = Actor("olga", "here", "asked by letter")
FIRST, LATER = "personne1@asso.example", f"personne{BATCH + 1}@asso.example"
WAITS = text(
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


@pytest.fixture
def database_url(postgresql_url) -> str:
    return postgresql_url


@pytest.fixture
def work_and_erase(service, tmp_path, monkeypatch):
    """The worker does what a list waits for; during its first batch, somebody is being erased."""

    def work_and_erase(address):
        erasing = threading.Thread(target=erase, args=(service, tmp_path, address))

        def begin_erasing():
            if erasing.ident is None:
                erasing.start()
                wait_for_lock(service, erasing)

        for kind in (checking.Checking, ordering.Ordering):
            monkeypatch.setattr(kind, "next_batch", after(begin_erasing, kind.next_batch))
        work(service)
        erasing.join(60)
        assert not erasing.is_alive()
        work(service)

    return work_and_erase


def after(first, then):
    def both(*given):
        first()
        return then(*given)

    return both


def erase(service, folder, address):
    with service.database.transaction() as session:
        log, whom = folder / "erasures.jsonl", EmailAddress.parse(address)
        erasure.erase(session, service.hashes, service.now(), whom, OLGA, log=log)


def wait_for_lock(service, thread):
    """Until it waits for a lock that another transaction holds, or has ended."""
    alone = service.database.engine.execution_options(isolation_level="AUTOCOMMIT")
    with alone.connect() as connection:
        while thread.is_alive() and not connection.scalar(WAITS):
            thread.join(0.01)


@pytest.mark.parametrize("address", [FIRST, LATER])
def test_who_is_erased_while_a_list_is_checked_does_not_come_back(service, work_and_erase, address):
    made = take(service, people(2 * BATCH))
    work_and_erase(address)
    assert now_of(service, made).state == "checked"
    rows = rows_of(service, made)
    assert len(rows) == 2 * BATCH
    assert address not in {row.address for row in rows}
    assert address not in str([(row.typed, row.aside) for row in rows])


@pytest.mark.parametrize("address", [FIRST, LATER])
def test_neither_waits_for_the_other_while_a_list_is_ordered(service, work_and_erase, address):
    made = take(service, people(2 * BATCH))
    work(service)
    confirm(service, made)
    work_and_erase(address)
    assert now_of(service, made).state == "sending"
    rows = rows_of(service, made)
    assert address not in {row.address for row in rows}
    assert [row.step for row in rows] == ["waiting"] * (2 * BATCH - 4) + [""] * 3
