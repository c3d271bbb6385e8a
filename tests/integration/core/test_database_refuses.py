"""The database refuses to write: people are told to try again, nothing half is stored, and no mail leaves twice."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from identity.core.outbox import LEASE, Job
from identity.mail.models import Mail
from identity.sign_up.models import VerificationRequest
from tests.worlds.pages import *

pytestmark = pytest.mark.faults

ADDRESS = "camille.durand@ac-rouen.example"
STATES = {
    "40001": "serialization failure",
    "40P01": "deadlock",
    "53100": "disk full",
    "25006": "read-only",
    "57P01": "ended by an administrator",
}
REFUSE = """
    create function refuse() returns trigger language plpgsql as
    $$ begin raise exception 'refused' using errcode = '{state}'; end $$;
    create trigger refuse before {event} on outbox for each row {when} execute function refuse();
"""
ALLOW = "drop trigger refuse on outbox; drop function refuse();"


@pytest.fixture
def database_url(postgresql_url) -> str:
    return postgresql_url


def execute(site, statement: str) -> None:
    with site.services.database.engine.begin() as connection:
        connection.exec_driver_sql(statement)


def counted(site) -> dict[str, int]:
    with site.services.database.reading() as session:
        tables = (VerificationRequest, Mail, Job)
        return {
            each.__tablename__: session.scalar(sa.select(sa.func.count()).select_from(each))
            for each in tables
        }


def refused(person) -> None:
    answer = person.start(ADDRESS)
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize("state", STATES, ids=STATES.values())
def test_postgresql_refuses_what_a_page_writes(site_on_either, record_fault, caplog, state):
    site, person = site_on_either, site_on_either.visitor()
    before = counted(site)
    execute(site, REFUSE.format(state=state, event="insert", when=""))
    refused(person)
    assert counted(site) == before, "no half state"
    assert state in {getattr(record, "sqlstate", "") for record in caplog.records}
    execute(site, ALLOW)
    assert person.start(ADDRESS).status_code == 200
    site.post()
    assert site.mails() == ["verify"]
    record_fault(
        f"PostgreSQL: {STATES[state]} when a page writes",
        tried=1,
        survived=1,
        said=f"page 503 with Retry-After, log: {state}",
    )


def test_postgresql_refuses_that_a_mail_has_left(site_on_either, clock, record_fault):
    """The relay has taken it, as its try says: it does not leave again, and its job ends later."""
    site, state = site_on_either, "53100"
    site.visitor().start(ADDRESS)
    is_done = "when (new.done_at is not null)"
    execute(site, REFUSE.format(state=state, event="update", when=is_done))
    with pytest.raises(sa.exc.SQLAlchemyError):
        site.post()  # the worker logs it, and looks again
    execute(site, ALLOW)
    clock.advance(seconds=LEASE.total_seconds())
    site.post()
    with site.services.database.reading() as session:
        [job], [mail] = (
            session.scalars(sa.select(Job)).all(),
            session.scalars(sa.select(Mail)).all(),
        )
    assert len(list(site.services.settings.mail_dir.glob("*.eml"))) == 1
    assert (mail.state, job.done_at, job.uncertain) == ("handed", clock(), 0)
    record_fault(
        f"PostgreSQL: {STATES[state]} when a mail has left",
        tried=1,
        survived=1,
        seconds=LEASE / timedelta(seconds=1),
        said="it does not leave again; seconds: until the lease ended",
    )


def test_the_disk_of_sqlite_is_full(site, record_fault):
    engine = site.services.database.engine

    def no_more_pages(connection, *_):
        connection.execute("pragma max_page_count = 1")  # it takes that for the pages there are

    sa.event.listen(engine, "checkout", no_more_pages)
    for number in range(40):  # until the pages that there are do not suffice
        answer = site.visitor().start(f"person.{number}@ac-rouen.example")
        if answer.status_code != 200:
            break
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert set(counted(site).values()) == {number}, "no half state"
    sa.event.remove(engine, "checkout", no_more_pages)
    engine.dispose()
    assert site.visitor().start(ADDRESS).status_code == 200
    record_fault(
        "SQLite: disk full when a page writes",
        tried=1,
        survived=1,
        said="page 503 with Retry-After",
    )
