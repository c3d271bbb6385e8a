"""The timetable of invitations, as the worker keeps it."""

import pytest

from domain_rules.addresses import EmailAddress
from identity.invitations import mail_grouping, models as third_party_invitations
from identity.invitations.jobs import timetable as invitation_timetable
from identity.invitations.store_invite import EphemeralKey, InviteRequest
from identity.mail import models as mails, results as mail_results
from identity.mail.models import Mail
from identity.mail.quota import Template
from identity.mail_kinds import kind_of
from tests.worlds.cleaning import cleaned
from tests.worlds.inviting import stored_in_room
from tests.worlds.worker import *
from workers import celery_app

GIL = EmailAddress.parse("gil@association.example")


@pytest.fixture
def store(services, rules, clock):
    def store(number=0):
        with services.database.transaction() as session:
            return stored_in_room(
                session,
                rules,
                clock(),
                invited=InviteRequest(GIL.canonical, GIL, f"!{number}:x", "@zoe:education.example"),
                key=EphemeralKey(f"public {number}", "sealed"),
                signing_key_id="ed25519:0",
            )

    return store


@pytest.fixture
def state(services):
    def state(row):
        with services.database.reading() as session:
            return third_party_invitations.find(session, row.id).state

    return state


@pytest.fixture
def templates(services):
    def templates():
        with services.database.reading() as session:
            return sorted(mail.template for mail in mails.find_recent(session))

    return templates


def test_every_job_is_done_once_however_often_the_timetable_comes_by(
    services, store, state, templates, clock
):
    rows = [store(number) for number in range(5)]
    clock.advance(hours=1)
    with services.database.transaction() as session:
        [mail] = session.query(Mail).filter_by(template=Template.INVITE).all()
        assert mail_grouping.close(session, clock(), mail) is None
        mail_results.record_handed(session, clock(), mail, "250 ok", kind=kind_of(mail))
    for _ in range(2):
        invitation_timetable.run_due_tasks(services)
    assert templates() == ["invite"]
    clock.advance(days=8)
    for _ in range(2):
        invitation_timetable.run_due_tasks(services)
    assert templates() == ["invite", "reminder"]
    clock.advance(days=30)
    for _ in range(2):
        invitation_timetable.run_due_tasks(services)
    assert {state(row) for row in rows} == {"expired"}
    assert templates() == ["invite", "reminder"]
    with services.database.transaction() as session:
        clock.advance(days=200)
        assert cleaned(session, clock())["invitations"] == 5


def test_the_timetable_names_the_job():
    schedule = celery_app.app.conf.beat_schedule["invitations"]
    assert schedule["task"] in celery_app.app.tasks
