"""`guichet mail cancel`: what waits is not sent, and the journal says who decided that."""

import uuid
from datetime import timedelta

import pytest

from identity.core.clock import utc_now
from identity.mail import models as mails
from identity.mail.models import MailState
from identity.mail.quota import Template
from tests.worlds.command_line import *

LEA, TAGGED = "lea@asso.example", "lea+news@asso.example"
WHY = ("--reason", "sent to the wrong list")


@pytest.fixture
def order(run, opened):
    run("mail", "list")  # makes the keys

    def order(address=LEA, template=Template.WELCOME, state=MailState.WAITING) -> str:
        with opened.transaction() as session:
            now = utc_now()
            mail = mails.order(
                session,
                now,
                template=template,
                address=address,
                language="fr",
                subject_id=uuid.uuid4(),
                due_at=now + timedelta(hours=1),
            )
            mail.state = state
        return str(mail.id)

    return order


def test_one_mail_is_cancelled(run, order):
    mail, other = order(), order()
    told = run.json("mail", "cancel", mail, *WHY, "--dry-run")
    assert [each["id"] for each in told["cancelled"]] == [mail]
    assert run.json("mail", "show", mail)["state"] == "waiting"
    run("mail", "cancel", mail, *WHY)
    shown = run.json("mail", "show", mail)
    assert (shown["state"], shown["last_reply"]) == ("dropped", "cancelled by an operator")
    assert run.json("mail", "show", other)["state"] == "waiting"
    row = run.json("journal", "list", "--action", "mail.cancel")[0]
    assert (row["facts"]["mails"], row["facts"]["kinds"]) == ([mail], ["welcome"])
    assert row["reason"] == WHY[1]
    assert "asso.example" not in str(row)
    assert "waits no more" in run("mail", "cancel", mail, *WHY, ends=1).stderr


def test_all_that_wait_for_a_mailbox_are_cancelled(run, order):
    waiting = {order(), order(TAGGED)}
    handed, others = order(state=MailState.HANDED), order("gil@asso.example")
    told = run.json("mail", "cancel", "--to", "LEA@asso.example", *WHY)
    assert {each["id"] for each in told["cancelled"]} == waiting
    assert run.json("mail", "show", handed)["state"] == "handed"
    assert run.json("mail", "show", others)["state"] == "waiting"
    assert run.json("mail", "cancel", "--to", LEA, *WHY)["cancelled"] == []
    assert len(run.json("journal", "list", "--action", "mail.cancel")) == 1


def test_one_or_the_other_is_named(run, order):
    run("mail", "cancel", *WHY, ends=2)
    run("mail", "cancel", order(), "--to", LEA, *WHY, ends=2)
    run("mail", "cancel", str(uuid.uuid4()), *WHY, ends=1)
    assert "--reason" in run("mail", "cancel", order(), ends=2).stderr
