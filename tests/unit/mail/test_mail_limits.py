"""How many mails a mailbox gets, and when the next one may go."""

import uuid
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from identity.core.database import Database
from identity.mail import models as mails
from identity.mail.quota import QUOTAS, REQUESTED, Template

VICTIM = "victim@asso.example"
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
FEW = ((1, timedelta(minutes=30)), (3, DAY))


def order(session, now, address=VICTIM, template=Template.VERIFY, **more):
    return mails.order(
        session,
        now,
        template=template,
        address=address,
        language="fr",
        subject_id=uuid.uuid4(),
        **more,
    )


def may_go_at(session, now, address=VICTIM, quotas=FEW):
    return mails.earliest_by_quotas(session, now, address, [Template.VERIFY], quotas)


@pytest.mark.slow
def test_a_mailbox_is_one_however_its_addresses_are_tagged(database, clock):
    with database.transaction() as session:
        for number in range(5):
            assert may_go_at(session, clock(), f"victim+{number}@asso.example", QUOTAS) == clock()
            order(session, clock(), f"victim+{number}@asso.example")
            clock.advance(minutes=1)
        again_at = may_go_at(session, clock(), "victim+other@asso.example", QUOTAS)
        assert again_at == clock() + timedelta(minutes=55)
        assert may_go_at(session, clock(), quotas=QUOTAS) == again_at
        assert may_go_at(session, clock(), "other@asso.example", QUOTAS) == clock()


def test_a_mail_may_go_when_the_one_before_is_old_enough(database, clock):
    first = clock()
    with database.transaction() as session:
        for _ in range(3):
            assert may_go_at(session, clock()) == clock()
            order(session, clock())
            clock.advance(minutes=30)
        assert may_go_at(session, clock()) == first + DAY


def test_what_is_ordered_for_later_keeps_its_place(database, clock):
    with database.transaction() as session:
        later = clock() + 2 * HOUR
        order(session, clock(), due_at=later)
        assert may_go_at(session, clock()) == clock()
        clock.advance(minutes=105)
        assert may_go_at(session, clock()) == later + timedelta(minutes=30)


def test_withheld_mails_count_like_the_others(database, clock):
    with database.transaction() as session:
        order(session, clock()).state = mails.MailState.WITHHELD
        assert may_go_at(session, clock()) == clock() + timedelta(minutes=30)


def test_without_limits_a_mail_may_always_go(database, clock):
    with Database(database.engine, limited=False).transaction() as session:
        order(session, clock())
        assert may_go_at(session, clock()) == clock()


@pytest.mark.slow
@given(
    asked=st.lists(st.integers(0, 3 * 24 * 60), max_size=12).map(sorted),
    hours=st.integers(1, 48),
    count=st.integers(1, 3),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_asked_for_no_span_of_time_holds_more_than_the_quota(
    database, clock, asked, hours, count
):
    quotas = ((1, timedelta(minutes=10)), (count, timedelta(hours=hours)))
    start = clock()
    with database.transaction() as session:
        for minutes in asked:
            now = start + timedelta(minutes=minutes)
            at = may_go_at(session, now, quotas=quotas)
            order(session, now, due_at=at)
            assert at >= now
        times = sorted(mail.goes_at for mail in mails.find_recent(session))
        session.rollback()
    assert len(times) == len(asked)
    for most, window in quotas:
        for first, one_more in zip(times, times[most:], strict=False):
            assert one_more - first >= window


@pytest.mark.parametrize("template", REQUESTED)
def test_every_reality_counts_by_the_same_limits(database, clock, template):
    with database.transaction() as session:
        order(session, clock(), template=template)
        at = mails.earliest_by_quotas(session, clock(), VICTIM, REQUESTED)
        assert at == clock() + timedelta(minutes=1)
