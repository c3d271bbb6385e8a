"""The tester names the sentences that people read, to be copied, and mails operators what people get."""

import json
import re
import uuid

import pytest

from identity.console import sample_mails, trial_mails
from identity.core import journal
from identity.core.journal import Actor
from identity.freezes import service as freezing
from identity.freezes.models import Frozen
from identity.mail import models as mails, pausing
from identity.mail.models import Mail
from identity.mail.quota import Template
from identity.operators import service as operating
from tests.worlds.console import *
from tests.worlds.mails import frame, html_of, text_of
from tests.worlds.visitors import words

ROUEN = "ac-rouen.example"
URL = re.compile(r"""(?:https?://|mailto:)[^\s"'<>]+""")


@pytest.fixture
def ordered(services):
    """The stored mails, oldest first: where each goes, and what it is."""

    def ordered():
        with services.database.reading() as session:
            found = session.query(Mail).order_by(Mail.created_at, Mail.id).all()
        return [(each.address, each.template) for each in found]

    return ordered


@pytest.mark.parametrize(
    ("typed", "number", "text_id"),
    [
        (f"lea.martin@{ROUEN}", "M08 · ", "check.h1"),
        ("lea.martin@elsewhere.example", "M05 · ", "not_open.lead"),
        (f"contact@{ROUEN}", "M07 · ", "shared.lead"),
        ("lea.martin@ac-ruoen.example", "M03 · ", "typo.question"),
    ],
)
def test_the_sentence_that_a_person_reads_has_its_id_and_can_be_copied(
    sign_in, vera, typed, number, text_id
):
    browser = sign_in(vera)
    browser.get("/admin/test")
    page = browser.post("/admin/test", addresses=typed)
    assert f">{number}{text_id}<" in page.text
    copied = re.search(
        r'<label for="said-1">.*?<textarea id="said-1"[^>]* readonly', page.text, re.DOTALL
    )
    assert copied is not None
    assert "copy.js" in page.text
    several = browser.post("/admin/test", addresses=f"{typed}\nx@other.example")
    assert f">{number}{text_id}<" in several.text


def test_there_is_a_sample_of_each_mail_that_people_get():
    named = {name.partition(" ")[0] for name in sample_mails.SAMPLES}
    assert named == {str(each) for each in pausing.KINDS}


@pytest.mark.parametrize("name", sample_mails.SAMPLES)
@pytest.mark.parametrize("language", ["fr", "en", None])
def test_a_sample_says_that_it_is_one_and_nothing_in_it_leads_anywhere(name, language):
    one = frame(language=language, support_url="https://help.example", to="vera@ops.example")
    written = sample_mails.write(name, one)
    subjects = [each for each in written.items() if each[0] == "Subject"]
    assert [value.startswith("[TEST] ") for _, value in subjects] == [True]
    assert written["To"] == "vera@ops.example"
    assert re.fullmatch(r"operator_test; version=\d+", written["X-Guichet-Template"])
    assert written["List-Unsubscribe"] is None
    found = URL.findall(text_of(written) + html_of(written))
    assert [each for each in found if not each.startswith("https://test.invalid")] == []
    assert "{" not in text_of(written)


def test_a_mail_goes_to_ones_own_mailbox_alone_and_is_a_row_of_the_journal(
    sign_in, vera, services, mailbox, ordered
):
    browser = sign_in(vera, language="fr")
    browser.get("/admin/test")
    others = {"to": "gil@asso.example", "address": "gil@asso.example", "addresses": "gil@x.example"}
    page = browser.post("/admin/test/mail", mail="verify", **others)
    assert browser.at == "/admin/test"
    assert "Le courriel part vers votre boîte." in words(page)
    assert ordered() == [(vera.mail, "operator_test")]
    with services.database.reading() as session:
        row = journal.find_recent(session, limit=1)[0]
    assert (row.action, row.actor, json.loads(row.facts)["mail"]) == ("mail.test", "Vera", "verify")
    assert row.origin.startswith("console from ")
    assert vera.mail not in row.facts + row.subject
    assert mailbox.deliver() == [(vera.mail, "operator_test")]
    sent = mailbox.postbox.sent[-1]
    assert sent["Subject"].startswith("[TEST] ")
    assert sent["Content-Language"] == "fr"
    assert "0000 0000" in text_of(sent)


def test_the_sixth_in_an_hour_is_refused_and_nothing_waits_for_later(sign_in, vera, clock, ordered):
    browser = sign_in(vera)
    browser.get("/admin/test")
    for _ in range(5):
        assert "leaves for your mailbox" in words(browser.post("/admin/test/mail", mail="none"))
    for _ in range(3):
        refused = browser.post("/admin/test/mail", mail="none")
        assert "Too many test mails: the next one from 11:00" in words(refused)
    assert len(ordered()) == 5
    clock.advance(minutes=59)
    browser.post("/admin/test/mail", mail="none")
    assert len(ordered()) == 5
    clock.advance(minutes=1)
    again = sign_in(vera)
    again.get("/admin/test")
    again.post("/admin/test/mail", mail="none")
    assert len(ordered()) == 6


def test_it_leaves_also_while_mails_to_people_are_stopped(sign_in, vera, acts, mailbox):
    acts(freezing.freeze, Frozen.MAILS)
    browser = sign_in(vera)
    browser.get("/admin/test")
    browser.post("/admin/test/mail", mail="invite")
    assert mailbox.deliver() == [(vera.mail, "operator_test")]


@pytest.mark.parametrize("name", ["", "operator_code", "verify ", "../x"])
def test_a_mail_that_is_not_offered_is_not_sent(sign_in, vera, ordered, name):
    browser = sign_in(vera)
    browser.get("/admin/test")
    assert browser.send("/admin/test/mail", mail=name).status_code == 400
    assert ordered() == []


def test_who_has_no_mailbox_is_offered_none(sign_in, local, ordered):
    browser = sign_in(local)
    assert "/admin/test/mail" not in browser.get("/admin/test").text
    assert browser.send("/admin/test/mail", mail="verify").status_code == 400
    assert ordered() == []


def test_who_was_disabled_before_it_left_gets_none(services, clock, sign_in, vera, ines, mailbox):
    browser = sign_in(vera)
    browser.get("/admin/test")
    browser.post("/admin/test/mail", mail="verify")
    with services.database.transaction() as session:
        operating.disable(session, clock(), Actor("Ines", "here", "left"), vera.id)
    assert [each for each in mailbox.deliver() if each[1] == "operator_test"] == []
    with services.database.reading() as session:
        (mail,) = session.query(Mail).filter_by(template="operator_test").all()
    assert mail.state == "dropped"


def test_a_sample_of_another_version_is_dropped_when_it_is_due(services, clock, vera, mailbox):
    with services.database.transaction() as session:
        mail = mails.order(
            session,
            clock(),
            template=Template.OPERATOR_TEST,
            address=vera.mail,
            language="en",
            subject_id=uuid.uuid5(trial_mails.NAMESPACE, "of long ago"),
        )
    assert mailbox.deliver() == []
    with services.database.reading() as session:
        assert session.get(Mail, mail.id).state == "dropped"
