"""A mail ordered for later goes at its moment, through real processes. No scheduler runs here: nothing sweeps."""

import sqlite3
from datetime import timedelta

import pytest

from identity.core.clock import utc_now
from tests.services.waiting import wait_for

STORED = "%Y-%m-%d %H:%M:%S.%f"  # as SQLAlchemy writes a moment into SQLite
NOW, SOON = "now@asso.example", "soon@asso.example"


@pytest.fixture
def embedded(guichet_processes) -> dict[str, str]:
    """SQLite, a broker of files and a folder of mails."""
    guichet_processes.guichet("db", "upgrade", env={})
    return {}


@pytest.fixture
def order(guichet_processes):
    def order(env, address, seconds):
        module = ("python", "-m", "tests.services.ordering")
        guichet_processes.run(*module, address, str(seconds), env=env)

    return order


def folder_has(guichet_processes, address):
    folder = guichet_processes.folder / "var" / "mail"
    return any(f"To: {address}".encode() in path.read_bytes() for path in folder.glob("*.eml"))


def test_a_lane_wakes_for_what_was_ordered_for_later(guichet_processes, embedded, order):
    guichet_processes.worker(embedded)
    order(embedded, SOON, 3)
    assert wait_for(lambda: folder_has(guichet_processes, SOON), what="the later mail")


def test_who_waits_for_a_later_mail_holds_up_no_other(guichet_processes, embedded, order):
    guichet_processes.worker(embedded)
    order(embedded, SOON, 3000)
    order(embedded, NOW, 0)
    wait_for(lambda: folder_has(guichet_processes, NOW), what="the mail of now")
    assert not folder_has(guichet_processes, SOON)


def test_a_worker_that_was_killed_meanwhile_is_replaced_by_one_that_wakes_as_well(
    guichet_processes, embedded, order
):
    first = guichet_processes.worker(embedded)
    order(embedded, SOON, 3000)
    order(embedded, NOW, 0)
    wait_for(lambda: folder_has(guichet_processes, NOW), what="the bells are heard")
    first.kill()
    assert not folder_has(guichet_processes, SOON)
    # The hour passes while nobody is there: what is ordered is due a moment after the next worker looks.
    with sqlite3.connect(guichet_processes.folder / "var" / "guichet.db") as database:
        later = utc_now() + timedelta(seconds=15)
        database.execute(
            "UPDATE outbox SET due_at = ? WHERE done_at IS NULL", [later.strftime(STORED)]
        )
    guichet_processes.worker(embedded)
    wait_for(lambda: folder_has(guichet_processes, SOON), what="the later mail")


def test_in_production_too(guichet_processes, federation, order, smtp_server):
    guichet_processes.worker(federation)
    order(federation, SOON, 3)
    assert SOON in smtp_server.wait_for_mail(SOON)["To"]
