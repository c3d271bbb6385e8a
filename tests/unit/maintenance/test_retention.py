"""What is old is deleted, and nothing that somebody still waits for."""

import time
from datetime import timedelta

import pytest
from sqlalchemy import event, insert, select

from domain_rules.addresses import EmailAddress
from identity.bulk_invites import sign_in as bulk_invite_sign_in
from identity.bulk_invites.sign_in_models import BulkInviteSignIn
from identity.core import batches, rows
from identity.core.one_time_codes.models import WrongTry
from identity.mail.models import Mail
from identity.maintenance import retention
from identity.sign_up.models import VerificationRequest
from tests.worlds.cleaning import cleaned
from tests.worlds.services import FAR
from tests.worlds.statements import statements


def test_what_is_old_is_deleted_and_what_is_young_stays(services, request_, clock):
    def clean_up():
        with services.database.transaction() as session:
            return cleaned(session, clock())

    assert set(clean_up().values()) == {0}
    clock.advance(days=8)
    assert clean_up()["unconfirmed requests"] == 1
    clock.advance(days=23)
    assert clean_up()["mails"] == 1
    with services.database.reading() as session:
        assert session.query(Mail).count() == 0


def test_who_waits_for_a_mail_for_more_than_a_week_is_not_forgotten_meanwhile(
    services, request_, clock
):
    with services.database.transaction() as session:
        row = session.get_one(VerificationRequest, request_.id)
        row.expires_at = clock() + timedelta(days=40)
        mail = session.query(Mail).one()
        mail.due_at = clock() + timedelta(days=39)
        asked = bulk_invite_sign_in.request_code(
            session, clock(), address=EmailAddress.parse("zoe@ac-rouen.example"), language="fr"
        )
        asked.expires_at = clock() + timedelta(days=40)
    clock.advance(days=39)
    with services.database.transaction() as session:
        cleaned(session, clock())
    with services.database.reading() as session:
        assert session.get(VerificationRequest, request_.id)
        assert session.get(BulkInviteSignIn, asked.id)
        assert session.get(Mail, mail.id)


def test_old_mails_are_found_by_the_index_of_when_they_were_ordered(services, request_, clock):
    clock.advance(days=31)
    steps = retention.steps(clock(), services.hashes)
    with services.database.transaction() as session, statements(services.database.engine) as sent:
        assert steps["mails"](session, 10) == 1
    found = [(each, values) for each, values in sent if "FROM mails" in each]
    assert found
    with services.database.engine.connect() as connection:
        explain = "explain query plan"
        if connection.dialect.name == "postgresql":
            explain = "explain"
            connection.exec_driver_sql("set enable_seqscan = off")  # there is one row only
        for statement, values in found:
            plan = connection.exec_driver_sql(f"{explain} {statement}", values).all()
            assert "ix_mails_created" in str(plan)


TRY = {"purpose": "sign_up", "address": "", "near": "n", "far": "f", "guessed_digits": 0}


def codes(services, clock, number: int) -> None:
    """Wrong tries that are old enough to be deleted."""
    with services.database.transaction() as session:
        session.add_all(WrongTry(at=clock() - timedelta(days=2), **TRY) for _ in range(number))


def left(services) -> int:
    with services.database.reading() as session:
        return rows.count(session, WrongTry.at < FAR)


@pytest.fixture
def sizes(services):
    """How many rows each transaction deleted."""
    found: list[int] = []

    def count(_connection, cursor, statement, *_):
        if statement.startswith("DELETE FROM wrong_code_tries"):
            found.append(cursor.rowcount)

    event.listen(services.database.engine, "after_cursor_execute", count)
    yield found
    event.remove(services.database.engine, "after_cursor_execute", count)


def test_much_is_deleted_in_transactions_of_bounded_size(services, clock, sizes):
    codes(services, clock, 25)
    done = retention.clean_up(services.database, clock(), services.hashes, batch=10)
    assert (done.counts["codes and wrong tries"], done.unfinished) == (25, set())
    assert sizes == [10, 10, 5]
    assert left(services) == 0


def test_a_run_ends_when_its_time_is_over_and_the_next_goes_on(services, clock, request_):
    """Every kind gets its turn in the time there is."""
    codes(services, clock, 25)
    clock.advance(days=32)
    kinds = len(retention.steps(clock(), services.hashes))
    turns = iter([False] * (kinds + 1))
    first = retention.clean_up(
        services.database, clock(), services.hashes, until=lambda: next(turns, True), batch=10
    )
    assert first.counts["mails"] == 1
    assert left(services) in {15, 5}
    assert "codes and wrong tries" in first.unfinished
    second = retention.clean_up(services.database, clock(), services.hashes, batch=10)
    assert not second.unfinished
    assert left(services) == 0


def test_a_run_that_fails_half_way_keeps_what_it_did(services, clock):
    codes(services, clock, 25)
    turns = iter([False] * 100)

    def fails_later():
        if left(services) <= 15:
            raise RuntimeError
        return next(turns)

    with pytest.raises(RuntimeError):
        retention.clean_up(services.database, clock(), services.hashes, until=fails_later, batch=10)
    assert left(services) == 15


@pytest.mark.postgresql
def test_what_somebody_else_holds_is_left_for_the_next_run(services, clock, postgresql_url):
    if services.database.engine.dialect.name != "postgresql":
        return  # SQLite has one writer
    codes(services, clock, 3)
    with services.database.transaction() as other:
        held = other.scalars(select(WrongTry).limit(1).with_for_update()).one()
        retention.clean_up(services.database, clock(), services.hashes)
        assert held
    assert left(services) == 1
    retention.clean_up(services.database, clock(), services.hashes)
    assert left(services) == 0


@pytest.mark.long
def test_two_hundred_thousand_old_rows_are_gone_within_a_few_runs(services, clock):
    """`make long` prints how long it took; one run of the worker has 90 seconds."""
    old = clock() - timedelta(days=400)
    with services.database.transaction() as session:
        for _ in range(40):
            session.execute(
                insert(WrongTry),
                [{"at": old, **TRY} for _ in range(5_000)],
            )
    began = time.monotonic()
    runs = 0
    while left(services):
        runs += 1
        until = batches.after(90)
        done = retention.clean_up(services.database, clock(), services.hashes, until=until)
    seconds = time.monotonic() - began
    dialect = services.database.engine.dialect.name
    print(f"200,000 rows on {dialect}: {seconds:.1f} s in {runs} runs")  # noqa: T201  the figure
    assert not done.unfinished
    assert runs <= 10
