"""`guichet mail`: the fate of mails."""

import uuid

import pytest

from identity.storage import mails, outbox
from identity.storage.mails import MailState, Template
from identity.storage.outbox import Lane

CAMILLE = "camille.durand@ac-rouen.example"


@pytest.fixture
def given_up(opened, clock) -> str:
    """A mail nobody took, given up after one attempt."""
    with opened.transaction() as session:
        mail = mails.order(
            session,
            clock(),
            template=Template.VERIFY,
            address=CAMILLE,
            language="fr",
            subject_id=uuid.uuid4(),
        )
        mail.state, mail.last_reply = MailState.GAVE_UP, "451 4.7.1 Greylisted"
    with opened.transaction() as session:
        entry = outbox.lease_next(session, clock(), Lane.URGENT)
        outbox.give_up(session, entry, clock(), "the relay is away")
    return str(mail.id)


def test_why_tells_the_story_of_an_address(run, given_up):
    (shown,) = run.json("mail", "why", "Camille.Durand@AC-Rouen.example")
    assert (shown["id"], shown["state"]) == (given_up, "gave_up")
    assert shown["last_reply"] == "451 4.7.1 Greylisted"
    assert (shown["errand"]["attempts"], shown["errand"]["last_error"]) == (1, "the relay is away")
    assert "Greylisted" in run("mail", "why", CAMILLE).stdout


def test_why_of_an_address_without_mails(run):
    assert run.json("mail", "why", CAMILLE) == []
    assert "No mail to" in run("mail", "why", CAMILLE).stderr
    assert "not an email address" in run("mail", "why", "camille", ends=1).stderr


def test_mails_are_listed_by_state(run, given_up):
    shown = run.json("mail", "list", "--state", "gave_up")
    assert shown["counts"] == {"gave_up": 1}
    assert [mail["id"] for mail in shown["mails"]] == [given_up]
    assert run.json("mail", "list", "--state", "handed")["mails"] == []
    assert given_up in run("mail", "list").stdout


def test_a_mail_is_tried_again(run, given_up):
    run("mail", "retry", given_up, "--dry-run")
    assert run.json("mail", "show", given_up)["errand"]["gave_up_at"]
    run("mail", "retry", given_up)
    shown = run.json("mail", "show", given_up)
    assert (shown["state"], shown["errand"]["gave_up_at"]) == ("waiting", None)


def test_what_is_done_is_not_tried_again(run, opened, clock, given_up):
    with opened.transaction() as session:
        mails.find(session, uuid.UUID(given_up)).state = MailState.HANDED
        outbox.of_subject(session, uuid.UUID(given_up)).done_at = clock()
    assert "nothing to try again" in run("mail", "retry", given_up, ends=1).stderr


def test_a_mail_that_does_not_exist(run):
    assert "there is no mail" in run("mail", "show", str(uuid.uuid4()), ends=1).stderr
    run("mail", "show", "not-an-id", ends=2)
