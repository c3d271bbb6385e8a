"""The journal shows what was done to it."""

import threading

import pytest
from sqlalchemy import delete, update

from identity.core import journal
from identity.core.journal import BEFORE_THE_FIRST, Actor, JournalEntry

ANA = Actor("Ana", "a test", "because", "request 1")


@pytest.fixture
def write(database, clock):
    def write(subject="revision 1", **facts):
        with database.transaction() as session:
            clock.advance(seconds=1)
            return journal.write(
                session, clock(), ANA, action="rules.publish", subject=subject, facts=facts
            )

    return write


@pytest.fixture
def verify(database):
    def verify(**noted):
        with database.reading() as session:
            return journal.verify(session, **noted)

    return verify


def test_every_row_carries_the_hash_of_the_one_before(write):
    first, second = write(), write(fact="é")
    assert (first.number, first.previous_hash) == (1, BEFORE_THE_FIRST)
    assert (second.number, second.previous_hash) == (2, first.hash)
    assert first.hash != second.hash


def test_an_untouched_chain_is_whole(write, verify):
    assert (verify().rows, verify().head) == (0, BEFORE_THE_FIRST)
    last = [write(f"revision {number}") for number in range(3)][-1]
    assert (verify().rows, verify().head, verify().fault) == (3, last.hash, None)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("column", "value"),
    [("reason", "other"), ("facts", '{"a":2}'), ("actor", "Bruno"), ("hash", "0" * 64)],
)
def test_a_changed_row_is_named(write, verify, database, column, value):
    for _ in range(3):
        write(a=1)
    with database.transaction() as session:
        session.execute(
            update(JournalEntry).where(JournalEntry.number == 2).values({column: value})
        )
    assert verify().fault.number == 2


def test_a_missing_row_is_named(write, verify, database):
    for _ in range(3):
        write()
    with database.transaction() as session:
        session.execute(delete(JournalEntry).where(JournalEntry.number == 2))
    assert verify().fault.what == "rows 2 to 2 are missing"


def test_a_forged_row_does_not_follow(write, verify, database):
    for _ in range(2):
        write()
    with database.transaction() as session:
        forged = session.get_one(JournalEntry, 1)
        forged.reason = "other"
        forged.hash = journal.hash_of(forged)
    assert verify().fault.number == 2


def test_a_noted_head_shows_that_the_end_was_cut_off(write, verify, database):
    write()
    head = write().hash
    assert verify(noted_head=head).fault is None
    with database.transaction() as session:
        session.execute(delete(JournalEntry).where(JournalEntry.number == 2))
    assert verify().fault is None
    assert "cut off" in verify(noted_head=head).fault.what


def test_writers_at_once_make_one_chain(write, verify):
    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (verify().rows, verify().fault) == (8, None)


def test_rows_are_found_by_noun_or_action(write, database, clock):
    write()
    with database.transaction() as session:
        journal.write(session, clock(), ANA, action="rulesets.drop", subject="", facts={})
    with database.reading() as session:
        for action, found in (("rules", 1), ("rules.publish", 1), ("rule", 0), (None, 2)):
            assert len(journal.find_recent(session, action=action)) == found
