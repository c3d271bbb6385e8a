"""Pages follow each other without a gap, also while rows are added, and a wrong key is refused."""

import base64
import json
from datetime import timedelta

import pytest
from sqlalchemy import select

from identity.core import paging
from identity.core.one_time_codes.models import WrongTry
from identity.problems import WrongParameter
from tests.worlds.services import *

KEYS = (WrongTry.at, WrongTry.id)


@pytest.fixture
def add(services, clock):
    def add(number, **age):
        with services.database.transaction() as session:
            for _ in range(number):
                at = clock() - timedelta(**age)
                session.add(
                    WrongTry(at=at, purpose="lists", address="", near="", far="", guessed_digits=8)
                )

    return add


@pytest.fixture
def pages(services):
    def pages(*, limit, after=None, **order):
        with services.database.reading() as session:
            while True:
                query = select(WrongTry)
                found = paging.find_page(session, query, KEYS, after=after, limit=limit, **order)
                yield found.items
                if (after := found.following) is None:
                    return

    return pages


def test_all_rows_come_once_in_order_whatever_is_added_meanwhile(pages, add):
    for hours in range(3):
        add(4, hours=hours)  # four rows of the same moment
    walk = pages(limit=5)
    seen = [*next(walk)]
    add(3, hours=-1)  # newer than what was seen
    seen += [row for page in walk for row in page]
    assert len({row.id for row in seen}) == len(seen) == 12
    assert [row.at for row in seen] == sorted((row.at for row in seen), reverse=True)
    forward = [row for page in pages(limit=4, descending=False) for row in page]
    assert len(forward) == 15


def test_the_last_page_has_no_following(pages, add):
    add(4)
    assert [len(page) for page in pages(limit=2)] == [2, 2]


def test_a_page_has_at_most_two_hundred_rows(pages, add):
    add(201)
    assert [len(page) for page in pages(limit=10**6)] == [200, 1]


@pytest.mark.parametrize(
    "key",
    [
        *("x", "é", "a" * 10_000, "W10", "null", "[" * 600),
        *(json.dumps(each) for each in ([1, 2], ["2027-01-01T00:00:00+00:00"], [None, None], {})),
        json.dumps(["2027-01-01T00:00:00+00:00", "no id"]),
        json.dumps([{}, []]),
        json.dumps(["0001-01-01T00:00:00+14:00", "0" * 32]),  # before the first moment in UTC
    ],
)
@pytest.mark.parametrize("is_encoded", [True, False])
def test_a_key_that_no_page_gave_is_refused(pages, key, is_encoded):
    after = base64.urlsafe_b64encode(key.encode()).decode() if is_encoded else key
    with pytest.raises(WrongParameter):
        next(pages(limit=5, after=after))


def test_a_count_goes_no_further_than_its_bound(services, add):
    add(12)
    with services.database.reading() as session:
        assert paging.count_up_to(session, WrongTry.purpose == "lists", most=5) == 6
        assert paging.count_up_to(session, WrongTry.purpose == "lists", most=20) == 12
        assert paging.count_up_to(session, WrongTry.purpose == "client") == 0
