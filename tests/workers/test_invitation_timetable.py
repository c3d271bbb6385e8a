"""The timetable of invitations, as the worker keeps it."""

import pytest

from domain_rules.addresses import EmailAddress
from identity.storage import mails, third_party_invitations
from identity.storage.mails import Mail, Template
from identity.use_cases import invitations, retention, store_invite
from identity.use_cases.store_invite import EphemeralKey, Invited
from workers import celery_app, invitation_timetable

GIL = EmailAddress.parse("gil@association.example")


@pytest.fixture
def store(wiring, rules, clock):
    def store(number=0):
        with wiring.database.transaction() as session:
            return store_invite.store(
                session,
                rules,
                clock(),
                invited=Invited(GIL.canonical, GIL, f"!{number}:x", "@zoe:education.example"),
                key=EphemeralKey(f"public {number}", "sealed"),
                signing_key_id="ed25519:0",
            )

    return store


@pytest.fixture
def state(wiring):
    def state(row):
        with wiring.database.reading() as session:
            return third_party_invitations.find(session, row.id).state

    return state


@pytest.fixture
def templates(wiring):
    def templates():
        with wiring.database.reading() as session:
            return sorted(mail.template for mail in mails.recent(session))

    return templates


def test_every_job_is_done_once_however_often_the_timetable_comes_by(
    wiring, store, state, templates, clock
):
    row = store()
    for number in range(1, 5):
        store(number)
    clock.advance(hours=1)
    for _ in range(2):
        invitation_timetable.keep(wiring)
    assert templates() == ["invite"] * 5 + ["invite_digest"]
    with wiring.database.transaction() as session:
        mail = session.query(Mail).filter_by(template=Template.INVITE, subject_id=row.id).one()
        invitations.mail_left(session, clock(), mail)
    clock.advance(days=8)
    for _ in range(2):
        invitation_timetable.keep(wiring)
    assert templates().count("reminder") == 1
    clock.advance(days=30)
    for _ in range(2):
        invitation_timetable.keep(wiring)
    assert state(row) == "expired"
    assert len(templates()) == 7
    with wiring.database.transaction() as session:
        clock.advance(days=200)
        assert retention.clean_up(session, clock())["invitations"] == 5


def test_the_timetable_names_the_job():
    schedule = celery_app.app.conf.beat_schedule["invitations"]
    assert schedule["task"] in celery_app.app.tasks
