"""`restore begin`, `plan` and `resume`: who may run them when, and what ends whatever it is about."""

import uuid
from datetime import timedelta

import pytest
from sqlalchemy import event, select

from identity.accounts import feed_state, session_models
from identity.accounts.session_models import PersonSession
from identity.core import continuity, journal
from identity.core.one_time_codes.models import OneTimeCode
from identity.core.outbox import JobKind, Lane
from identity.homeservers import credentials
from identity.mail import models as mails
from identity.mail.models import Mail, MailState
from identity.mail.quota import Template
from identity.problems import NotRestoring
from identity.restore import service as restoring
from identity.threepids import account_models as identity_accounts
from identity.threepids.account_models import AccessToken
from tests.worlds.backups import *
from workers import tasks

HERS = "camille.durand@ac-rouen.example"


@pytest.fixture
def order(services, clock):
    """A mail of any template is ordered."""

    def order(template=Template.WELCOME, address=HERS, **when) -> uuid.UUID:
        with services.database.transaction() as session:
            return mails.order(
                session,
                clock(),
                template=template,
                address=address,
                language="fr",
                subject_id=uuid.uuid4(),
                **when,
            ).id

    return order


def states(services) -> dict[uuid.UUID, str]:
    with services.database.reading() as session:
        return {each.id: each.state for each in session.scalars(select(Mail))}


def test_a_code_that_was_mailed_after_the_backup_is_not_mailed_again(
    services, backups, request_, postbox, clock
):
    backups.take()
    backups.work(Lane.URGENT)
    assert len(postbox.sent) == 1
    backups.load()
    backups.work()
    assert len(postbox.sent) == 1
    assert backups.is_held()
    ended = backups.begin()
    assert ended.mails == 1
    backups.resume()
    backups.work()
    assert len(postbox.sent) == 1


@pytest.mark.parametrize("template", Template)
def test_whatever_the_mail_is_about_it_ends_as_uncertain_also_if_it_is_due_later(
    services, backups, order, clock, template
):
    first = order(template)
    later = order(template, "zoe@ac-rouen.example", due_at=clock() + timedelta(hours=20))
    backups.take()
    clock.advance(hours=12)
    backups.load()
    assert backups.begin().mails == 2
    assert states(services) == {first: MailState.GAVE_UP, later: MailState.GAVE_UP}
    assert backups.plan() == {}
    with services.database.reading() as session:
        mail = session.get_one(Mail, first)
    assert (mail.outcome, "may have been sent" in mail.last_reply) == ("unknown", True)
    assert backups.job_of(first).gave_up_at == clock()


def test_what_is_ordered_after_the_loss_was_noticed_is_kept(services, backups, order, clock):
    before = order()
    backups.take()
    clock.advance(hours=12)
    backups.load()
    backups.work()
    clock.advance(hours=3)
    after = order(address="zoe@ac-rouen.example")
    clock.advance(hours=2)
    ended = backups.begin()
    assert ended.mails == 1
    assert states(services) == {before: MailState.GAVE_UP, after: MailState.WAITING}
    assert backups.plan() == {"mail": 1}


def test_who_wishes_it_gets_the_mails_that_waited(services, backups, request_, postbox):
    backups.take()
    backups.load()
    assert backups.begin(keeps_mails=True).mails == 0
    backups.resume()
    backups.work(Lane.URGENT)
    assert len(postbox.sent) == 1


def test_sessions_tokens_and_codes_end_since_some_had_ended(services, backups, clock, request_):
    backups.work(Lane.URGENT)
    with services.database.transaction() as session:
        facts = {"user_id": "@zoe:education.example", "address": HERS, "device": ""}
        session_models.add(session, clock(), purpose="lists", **facts)
        identity_accounts.issue(session, clock(), user_id="@zoe:education.example")
    backups.take()
    backups.load()
    ended = backups.begin()
    assert (ended.sessions, ended.tokens, ended.codes) == (1, 1, 1)
    with services.database.reading() as session:
        assert session.scalars(select(PersonSession.ended_at)).all() == [clock()]
        assert session.scalars(select(AccessToken)).all() == []
        assert session.scalars(select(OneTimeCode.alive_until)).all() == [clock()]


def test_while_jobs_are_held_no_lane_and_no_timetable_does_anything(
    services, backups, order, postbox
):
    order()
    backups.take()
    backups.load()
    for lane in Lane:
        assert tasks.run_lane(services, lane) is None
    tasks._keep_invitations(services)
    assert postbox.sent == []
    assert set(states(services).values()) == {MailState.WAITING}


def test_commands_in_the_wrong_order_change_nothing_and_say_what_is_right(backups):
    for wrong in (backups.resume, backups.dismiss):
        with pytest.raises(NotRestoring):
            wrong()
    backups.take()
    backups.load()
    backups.work()
    with pytest.raises(NotRestoring, match="begin first"):
        backups.resume()
    assert backups.is_held()
    backups.begin()
    with pytest.raises(NotRestoring, match="resume"):
        backups.dismiss()
    backups.resume()
    assert not backups.is_held()
    with pytest.raises(NotRestoring, match="nothing to resume"):
        backups.resume()


def test_begin_twice_is_as_once_and_workers_go_on_after_it(services, backups, order, clock):
    order()
    backups.take()
    backups.load()
    first = backups.begin()
    clock.advance(minutes=1)
    second = backups.begin()
    assert (first.mails, second.mails) == (1, 0)
    backups.resume()
    backups.beat()
    with services.database.transaction() as session:
        assert continuity.check(session, clock(), services.last_seen)


def test_begin_before_anybody_noticed_holds_as_well(services, backups, order, clock):
    """As on new machines, which have seen nothing before."""
    order()
    backups.begin()
    assert backups.is_held()
    with services.database.transaction() as session:
        assert not continuity.check(session, clock(), services.last_seen)


def test_a_second_load_of_the_same_backup_needs_a_second_begin(services, backups, order):
    order()
    backups.take()
    for _ in range(2):
        backups.load()
        backups.work()
        assert backups.is_held()
        with pytest.raises(NotRestoring):
            backups.resume()
        assert backups.begin().mails == 1
        backups.resume()


def test_a_false_alarm_is_dismissed_and_everything_goes_on(services, backups, request_, postbox):
    backups.take()
    backups.load()
    backups.work()
    assert postbox.sent == []
    backups.dismiss()
    backups.work(Lane.URGENT)
    assert len(postbox.sent) == 1
    assert not backups.is_held()


def test_modules_are_told_of_a_new_epoch_even_if_no_number_shows_the_loss(services, backups):
    with services.database.transaction() as session:
        before = feed_state.lock_state(session).epoch
    backups.begin()
    with services.database.reading() as session:
        assert feed_state.find_state(session).epoch != before


def test_credentials_that_may_be_valid_again_are_named_until_each_is_renewed(
    services, backups, clock
):
    with services.database.transaction() as session:
        for name in ("education.example", "guests.example"):
            credentials.issue(session, clock(), homeserver=name)
        credentials.issue(session, clock(), homeserver="guests.example")
        credentials.retire(session, homeserver="guests.example", at=clock())
    backups.take()
    clock.advance(hours=1)
    backups.load()
    assert backups.begin().credentials == ["education.example"]
    with services.database.transaction() as session:
        restored_at = continuity.find(session).restored_at
        clock.advance(hours=1)
        credentials.retire(
            session, homeserver="education.example", at=clock() + timedelta(hours=24)
        )
        credentials.issue(session, clock(), homeserver="education.example")
        assert credentials.find_older(session, clock(), restored_at) == []


def test_who_was_erased_since_is_erased_again_before_anything_else(services, backups, order):
    order()
    seen = []

    def erase(session):
        seen.append([each.state for each in session.scalars(select(Mail))])
        return 7

    assert backups.begin(erase_again=erase).erased == 7
    assert seen == [[MailState.WAITING]]


def test_every_step_is_in_the_journal_and_a_dry_run_is_not(services, backups, order, clock):
    order()
    backups.begin()
    backups.resume()
    with services.database.reading() as session:
        rows = session.scalars(select(journal.JournalEntry)).all()
        assert journal.verify(session).fault is None
    told = [(each.action, each.actor, each.reason) for each in rows][-2:]
    assert told == [
        ("restore.begin", "olga", "the disk died"),
        ("restore.resume", "olga", "the disk died"),
    ]


def test_a_database_that_is_being_loaded_is_left_alone(services, backups):
    with services.database.transaction() as session:
        session.delete(continuity.find(session))
    for command in (backups.begin, backups.resume, backups.dismiss):
        with pytest.raises(NotRestoring, match="being loaded"):
            command()


def test_the_plan_says_of_each_kind_what_it_does_also_of_kinds_it_does_not_know(
    services, backups, order
):
    mail = order()
    with services.database.transaction() as session:
        backups_job = session.merge(backups.job_of(mail))
        backups_job.kind = "tribe"
    with services.database.reading() as session:
        (planned,) = restoring.plan(session)
    assert (planned.kind, planned.count, planned.does) == ("tribe", 1, "of another version")
    assert set(restoring.DOES) == set(JobKind)


def test_begin_asks_the_database_as_often_for_a_thousand_mails_as_for_ten(
    services, backups, order, clock
):
    counts, asked = [0], []

    @event.listens_for(services.database.engine, "before_cursor_execute")
    def count(*_):
        counts[-1] += 1

    for number in (10, 1000):
        with services.database.transaction() as session:
            for each in range(number):
                mails.order(
                    session,
                    clock(),
                    template=Template.WELCOME,
                    address=f"p{number}.{each}@ac-rouen.example",
                    language="fr",
                    subject_id=uuid.uuid4(),
                    due_at=clock(),
                )
        counts.append(0)
        assert backups.begin().mails == number
        asked.append(counts.pop())
        backups.resume()
    assert asked[0] == asked[1] > 0
