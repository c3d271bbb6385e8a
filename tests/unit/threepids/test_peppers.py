"""Hashes follow associations, whatever pepper comes and goes meanwhile; on both databases."""

import threading
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from identity.core import journal
from identity.core.journal import Actor
from identity.threepids import associations, lookup_queries, pepper_rotation, peppers
from identity.threepids.pepper_rotation import GRACE, THE_START
from identity.threepids.peppers import LookupHash, Pepper

ANA, GIL = "@ana:education.example", "@gil:education.example"
US = Actor("tests", "here")


@pytest.fixture
def bind(database, clock):
    def bind(*addresses: str, user_id=ANA):
        for address in addresses:
            with database.transaction() as session:
                associations.bind(session, clock(), address=address, user_id=user_id)

    return bind


@pytest.fixture
def first(database, clock) -> Pepper:
    with database.transaction() as session:
        pepper_rotation.make_first(session, clock())
        return peppers.find_current(session)


def found(database, clock, pepper: Pepper, *addresses: str) -> dict[str, str] | None:
    hashes = {peppers.hash_address(each, "email", pepper.pepper): each for each in addresses}
    with database.reading() as session:
        bound = lookup_queries.find_by_hash(session, clock(), pepper=pepper.pepper, hashes=hashes)
    return None if bound is None else {hashes[key]: user_id for key, user_id in bound.items()}


def hashes(database) -> int:
    with database.reading() as session:
        return session.scalar(select(func.count()).select_from(LookupHash))


def begin(database, clock) -> Pepper:
    with database.transaction() as session:
        return pepper_rotation.begin(session, clock())


def fill(database, pepper, *, most=2) -> int:
    """How many parts it took."""
    where, parts = THE_START, 0
    while where is not None:
        with database.transaction() as session:
            where = lookup_queries.hash_next(session, pepper, after=where, most=most)
        parts += 1
    return parts


def finish(database, clock, pepper) -> None:
    with database.transaction() as session:
        pepper_rotation.finish(session, clock(), pepper, US)


def test_the_first_pepper_knows_who_was_there_before(database, clock, bind):
    bind("a@x.example", "b@x.example")
    with database.transaction() as session:
        pepper_rotation.make_first(session, clock())
        first = peppers.find_current(session)
    assert found(database, clock, first, "a@x.example", "b@x.example", "c@x.example") == {
        "a@x.example": ANA,
        "b@x.example": ANA,
    }


def test_the_first_pepper_is_made_once(database, clock, first):
    with database.transaction() as session:
        pepper_rotation.make_first(session, clock())
        assert peppers.find_current(session).pepper == first.pepper


def test_a_hash_comes_and_goes_with_its_association(database, clock, bind, first):
    bind("a@x.example")
    bind("a@x.example", user_id=GIL)
    assert found(database, clock, first, "a@x.example") == {"a@x.example": GIL}
    with database.transaction() as session:
        associations.unbind(session, address="a@x.example", user_id=ANA)
    assert hashes(database) == 1
    with database.transaction() as session:
        associations.unbind(session, address="a@x.example", user_id=GIL)
    assert hashes(database) == 0


def test_a_binding_that_is_rolled_back_leaves_no_hash(database, clock, first):
    def half():
        with database.transaction() as session:
            associations.bind(session, clock(), address="a@x.example", user_id=ANA)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()
    assert hashes(database) == 0


def test_during_a_rotation_nobody_is_missed(database, clock, bind, first):
    """After every step, everybody is found by the pepper that clients are told then."""
    here = ["a@x.example", "b@x.example", "c@x.example"]
    bind(*here)
    second = begin(database, clock)
    assert found(database, clock, second, *here) is None, "nobody was told of it yet"
    bind("0@x.example", "d@x.example")
    here += ["0@x.example", "d@x.example"]
    assert found(database, clock, first, *here) == dict.fromkeys(here, ANA)
    assert fill(database, second) == 3
    bind("e@x.example")
    here.append("e@x.example")
    finish(database, clock, second)
    for pepper in (first, second):
        assert found(database, clock, pepper, *here) == dict.fromkeys(here, ANA)
    bind("f@x.example")
    assert found(database, clock, first, "f@x.example") == {"f@x.example": ANA}


def test_the_pepper_before_ends_after_its_grace(database, clock, bind, first):
    bind("a@x.example")
    second = begin(database, clock)
    fill(database, second)
    finish(database, clock, second)
    clock.advance(seconds=(GRACE - timedelta(seconds=1)).total_seconds())
    assert found(database, clock, first, "a@x.example") == {"a@x.example": ANA}
    clock.advance(seconds=1)
    assert found(database, clock, first, "a@x.example") is None
    assert found(database, clock, second, "a@x.example") == {"a@x.example": ANA}


def test_an_interrupted_rotation_goes_on_with_the_same_pepper(database, clock, bind, first):
    bind("a@x.example", "b@x.example", "c@x.example")
    second = begin(database, clock)
    with database.transaction() as session:
        assert lookup_queries.hash_next(session, second, after=THE_START, most=1)
    again = begin(database, clock)
    assert again.pepper == second.pepper
    assert fill(database, again) == 2
    assert hashes(database) == 6


def test_two_operators_who_rotate_at_once_do_it_once(database, clock, bind, first):
    bind("a@x.example")
    one, other = begin(database, clock), begin(database, clock)
    for pepper in (one, other):
        fill(database, pepper)
        finish(database, clock, pepper)
    third = begin(database, clock)
    fill(database, third)
    finish(database, clock, third)
    finish(database, clock, one)
    with database.reading() as session:
        assert peppers.find_current(session).pepper == third.pepper
        assert len(journal.find_recent(session, action="pepper")) == 2
    clock.advance(hours=2)
    assert found(database, clock, third, "a@x.example") == {"a@x.example": ANA}


def test_hashes_of_a_pepper_that_ended_are_forgotten_part_by_part(database, clock, bind, first):
    bind("a@x.example", "b@x.example", "c@x.example")
    second = begin(database, clock)
    fill(database, second)
    finish(database, clock, second)
    with database.transaction() as session:
        assert peppers.forget_ended(session, clock(), most=2) == 0
    clock.advance(hours=1)
    forgotten = []
    for _ in range(2):
        with database.transaction() as session:
            forgotten.append(peppers.forget_ended(session, clock(), most=2))
    assert forgotten == [2, 1]
    assert hashes(database) == 3
    with database.reading() as session:
        assert [row.number for row in session.scalars(select(Pepper))] == [second.number]


@pytest.mark.slow
def test_who_binds_and_unbinds_during_rotations_is_never_missed(database, clock, first):
    """Two people bind and leave all the time while three rotations go by."""
    stop, kept, failures = threading.Event(), [], []

    def live(name: str) -> None:
        number = 0
        try:
            while not stop.is_set() or number < 10:
                number += 1
                address = f"{name}{number}@x.example"
                with database.transaction() as session:
                    associations.bind(session, clock(), address=address, user_id=ANA)
                if number % 2:
                    kept.append(address)
                    continue
                with database.transaction() as session:
                    associations.unbind(session, address=address, user_id=ANA)
        except Exception as error:  # noqa: BLE001  told to the test, which is in another thread
            failures.append(error)

    people = [threading.Thread(target=live, args=(name,)) for name in "pq"]
    for person in people:
        person.start()
    for _ in range(3):
        newest = begin(database, clock)
        fill(database, newest, most=5)
        finish(database, clock, newest)
    stop.set()
    for person in people:
        person.join()
    assert failures == []
    assert len(kept) >= 10
    assert found(database, clock, newest, *kept) == dict.fromkeys(kept, ANA)


@pytest.mark.slow
def test_a_binding_that_was_under_way_when_a_rotation_began_is_not_missed(
    database, clock, bind, first
):
    def rotate() -> Pepper:
        made = begin(database, clock)
        fill(database, made)
        finish(database, clock, made)
        return made

    with ThreadPoolExecutor(1) as other:
        with database.transaction() as session:
            associations.bind(session, clock(), address="a@x.example", user_id=ANA)
            rotation = other.submit(rotate)
            # Time enough to overtake us, for a rotation that does not wait.
            wait([rotation], timeout=1)
        newest = rotation.result()
    assert found(database, clock, newest, "a@x.example") == {"a@x.example": ANA}


def test_an_address_has_one_hash_for_each_living_pepper(database, clock, bind, first):
    bind("a@x.example")
    second = begin(database, clock)
    fill(database, second)
    fill(database, second)
    assert hashes(database) == 2
