"""The quota of lists is the organisation's; the limits of single invitations are not touched."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from identity import problems
from identity.bulk_invites import forecast, quota, quota_models, report, service as lists
from identity.bulk_invites.models import BulkInvite, BulkInviteRow
from identity.core.outbox import Lane
from identity.invitations import inviters, service as invitations
from identity.invitations.models import ThirdPartyInvitation
from tests.worlds.bulk_inviters import ZOE, desk, service, settings
from tests.worlds.long_lists import (
    QUOTA,
    confirm,
    jobs_of,
    now_of,
    people,
    rows_of,
    small_batches,
    take,
    work,
)
from tests.worlds.sign_ups import *
from workers import tasks

__all__ = ["desk", "service", "settings", "small_batches"]

DAY = timedelta(days=1)


@pytest.fixture
def begin_of_day(service):
    service.now.time = service.now().replace(hour=8)
    return service.now().replace(hour=0, minute=0, second=0, microsecond=0)


def test_what_is_over_the_quota_of_a_day_waits_for_the_next_ones(service, begin_of_day):
    made = take(service, people(28))
    confirm(service, made, quota=10)
    due = [job.due_at for job in jobs_of(service, made)]
    days = [service.now(), begin_of_day + DAY, begin_of_day + 2 * DAY]
    assert due == [days[0]] * 10 + [days[1]] * 10 + [days[2]] * 5
    later = [row.later_at for row in rows_of(service, made) if row.step == "waiting"]
    assert sorted(later, key=str) == sorted([None] * 10 + due[10:], key=str)


def test_lists_of_one_organisation_share_its_quota_and_others_have_their_own(service, begin_of_day):
    with service.database.transaction() as session:
        now, rules = service.now(), service.rules.current()
        assert quota.organisation_of(session, rules, ZOE) == "Éducation nationale – Rouen"
        assert quota.organisation_of(session, rules, "@gil:guests.example") == "guests.example"
        assert quota.reserve(session, now, "one", 7, quota=10) == [now] * 7
        tomorrow = begin_of_day + DAY
        assert quota.left_today(session, now, "one", 10) == 3
        assert quota.last_day(session, now, "one", 4, quota=10) == tomorrow
        assert quota.reserve(session, now, "one", 5, quota=10) == [now] * 3 + [tomorrow] * 2
        assert quota.reserve(session, now, "two", 5, quota=10) == [now] * 5
        assert (
            quota.reserve(session, now, "one", 10, quota=10)
            == [tomorrow] * 8 + [tomorrow + DAY] * 2
        )


def test_to_stop_a_list_and_send_it_again_uses_no_more_of_the_quota(service, begin_of_day, desk):
    made = take(service, people(28))
    confirm(service, made, quota=10)
    tasks.run_lane(service, Lane.BULK)
    service.now.time += DAY  # what is due now is not sent yet
    today = service.now().date()
    for _ in range(3):
        with service.database.transaction() as session:
            lists.stop(session, service.now(), session.get_one(BulkInvite, made.id))
        work(service)
        with service.database.transaction() as session:
            found = session.get_one(BulkInvite, made.id)
            assert found.delayed_until is None
            used = quota_models.used_from(session, found.organisation, today)
            assert set(used.values()) == {0}
            lists.retry(session, service.rules.current(), service.now(), found, quota=10)
    with service.database.reading() as session:
        used = quota_models.used_from(session, now_of(service, made).organisation, today)
    assert used == {today: 10, today + DAY: 5}


def test_a_list_over_the_limits_of_its_inviter_is_sent_and_leaves_these_as_they_were(service, desk):
    made = take(service, people(63))
    confirm(service, made)
    tasks.run_lane(service, Lane.BULK)
    assert len(desk.placed) == 60
    with service.database.transaction() as session:
        inviters.check_quota(session, service.now(), ZOE, for_guest=True)
        single = update(ThirdPartyInvitation).values(by_list=False)
        session.execute(single)
        with pytest.raises(problems.TooManyInvitations):
            inviters.check_quota(session, service.now(), ZOE, for_guest=True)


def test_mails_about_people_of_a_list_that_are_sent_again_count_for_the_inviter(service, desk):
    confirm(service, take(service, people(63)))
    tasks.run_lane(service, Lane.BULK)
    service.now.time += timedelta(days=4)
    with service.database.transaction() as session:
        found = session.scalars(select(ThirdPartyInvitation).limit(51)).all()
        for each in found[:50]:
            assert invitations.resend(session, service.now(), each, by=ZOE)
        with pytest.raises(problems.TooManyInvitations):
            invitations.resend(session, service.now(), found[50], by=ZOE)


def test_the_pace_is_measured_and_is_not_known_before(service):
    made = take(service, people(103))
    with service.database.transaction() as session:
        assert forecast.measured_pace(session, service.now()) is None
        assert forecast.expected_end(session, service.now(), wanted=9, not_before=None) is None
    confirm(service, made)
    moments = [service.now() - timedelta(hours=1, seconds=n / 4) for n in range(50)]
    moments += [service.now() - timedelta(seconds=n / 4) for n in range(50)]
    with service.database.transaction() as session:
        for row, moment in zip(rows_of(service, made), moments, strict=False):
            values = {"sent_at": moment}
            session.execute(update(BulkInviteRow).where(BulkInviteRow.id == row.id).values(values))
        assert forecast.measured_pace(session, service.now()) == pytest.approx(4)
        ends_at = forecast.expected_end(session, service.now(), wanted=300, not_before=None)
        assert ends_at == service.now() + timedelta(seconds=(100 + 300) / 4)
        later = service.now() + DAY
        assert forecast.expected_end(session, service.now(), wanted=1, not_before=later) == later
    service.now.time += 2 * DAY
    with service.database.reading() as session:
        assert forecast.measured_pace(session, service.now()) is None


@pytest.mark.parametrize("steps", [["confirm"], ["confirm", "work", "stop", "work", "retry"]])
def test_the_forecast_of_a_list_that_is_being_ordered_counts_what_is_not_ordered_yet(
    service, small_batches, steps, monkeypatch
):
    monkeypatch.setattr(forecast, "measured_pace", lambda _session, _now: 0.5)
    made = take(service, people(28))
    work(service)

    def told():
        with service.database.reading() as session:
            found = session.get_one(BulkInvite, made.id)
            counted = report.counts_of(session, found)
            return report.forecast_of(session, service.now(), found, counted, quota=QUOTA)

    def act(change):
        with service.database.transaction() as session:
            change(session, found=session.get_one(BulkInvite, made.id))

    rules, now = service.rules.current(), service.now()
    changes = {
        "confirm": lambda session, found: lists.confirm(session, rules, now, found, quota=QUOTA),
        "stop": lambda session, found: lists.stop(session, now, found),
        "retry": lambda session, found: lists.retry(session, rules, now, found, quota=QUOTA),
    }
    before = told()
    assert before == now + timedelta(seconds=25 / 0.5)
    for step in steps:
        act(changes[step]) if step in changes else work(service)
    assert told() == before
