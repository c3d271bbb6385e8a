"""A work address, the code mailed to it, then the second factor; strangers learn nothing."""

import re

import pytest
from sqlalchemy import func, select

from identity.core.journal import JournalEntry
from identity.mail.models import Mail, MailState
from identity.operators import models as operators, service as operating
from identity.operators.models import OperatorSession
from tests.worlds.console import *
from tests.worlds.visitors import heading, words

HERS = "ada@ops.example"
STRANGER = "nobody@ops.example"


@pytest.fixture
def ask(browser):
    def ask(address=HERS):
        browser.get("/admin/sign-in")
        return browser.post("/admin/sign-in", email=address)

    return ask


@pytest.fixture
def invite(services, clock):
    def invite(operator):
        with services.database.transaction() as session:
            operating.invite(session, clock(), operators.find(session, operator.id))

    return invite


def count_sessions(services) -> int:
    with services.database.reading() as session:
        return session.scalar(select(func.count()).select_from(OperatorSession))


def test_an_operator_comes_in_by_a_mailed_code_and_then_their_app(
    ask, browser, mailbox, ada, apps, clock
):
    apps.enrol(ada)
    clock.advance(seconds=30)
    assert heading(ask()) == "Check your mail"
    assert mailbox.deliver() == [(HERS, "operator_code")]
    assert heading(browser.post("/admin/sign-in/code", code=mailbox.code())) == "Code of your app"
    assert heading(browser.get("/admin/access")) == "Code of your app"
    page = browser.post("/admin/sign-in/second", second_factor=apps.code(ada))
    assert heading(page) == "Who has access"  # which was asked for before
    assert mailbox.deliver() == [(HERS, "operator_notice")]
    assert "The code sent to this address was typed" in mailbox.text()


def test_a_stranger_is_answered_as_an_operator_and_gets_no_mail(
    ask, browser, mailbox, ada, app, services
):
    hers = words(ask(HERS))
    other = Browser(app, services)
    other.get("/admin/sign-in")
    theirs = words(other.post("/admin/sign-in", email=STRANGER))
    assert hers.replace(HERS, "…") == theirs.replace(STRANGER, "…")
    assert mailbox.deliver() == [(HERS, "operator_code")]
    wrong = [words(each.post("/admin/sign-in/code", code="0000 0000")) for each in (browser, other)]
    assert wrong[0].replace(HERS, "…") == wrong[1].replace(STRANGER, "…")
    with services.database.reading() as session:
        states = {each.address: each.state for each in session.scalars(select(Mail))}
    assert states == {HERS: MailState.HANDED, STRANGER: MailState.DROPPED}


def test_the_page_says_from_when_the_mail_can_be_sent_again_and_then_sends_it(
    ask, browser, mailbox, ada, clock, app, services
):
    shown = words(ask())
    assert re.search(r"The mail can be sent again at \d\d:\d\d \(Paris time\)\.", shown)
    assert "Send the mail again" not in shown
    assert mailbox.deliver() == [(HERS, "operator_code")]
    other = Browser(app, services)
    other.get("/admin/sign-in")
    strange = words(other.post("/admin/sign-in", email=STRANGER))
    assert strange.replace(STRANGER, HERS) == shown
    mailbox.deliver()
    clock.advance(minutes=1, seconds=1)
    for each, mail in ((browser, HERS), (other, STRANGER)):
        page = each.get("/admin/sign-in/code")
        assert "Send the mail again" in words(page)
        assert f'name="email" value="{mail}"' in page.text
    again = browser.post("/admin/sign-in", email=HERS)
    assert "The mail can be sent again at" in words(again)
    assert mailbox.deliver() == [(HERS, "operator_code")]


def test_a_disabled_operator_gets_no_code_and_an_old_one_opens_nothing(
    ask, browser, mailbox, ada, ines, acts, services, make_operator
):
    make_operator("Bea", Role.ADMIN)
    ask()
    mailbox.deliver()
    acts(operating.disable, ada.id)
    shown = browser.post("/admin/sign-in/code", code=mailbox.code())
    assert "This code is over" in words(shown)
    assert count_sessions(services) == 0
    ask("ines@ops.example")
    acts(operating.disable, ines.id)
    assert mailbox.deliver() == []


def test_a_code_is_for_one_browser_and_for_nothing_else(ask, browser, mailbox, ada, services, app):
    ask()
    mailbox.deliver()
    code = mailbox.code()
    lists = browser.post("/lists/sign-in", email=HERS)
    assert lists.status_code == 200
    assert browser.send("/lists/code", code=code).status_code == 400
    browser.get("/admin/sign-in")
    assert heading(browser.post("/admin/sign-in/code", code=code)) == "Add your authenticator app"
    other = Browser(app, services)
    other.get("/admin/sign-in")
    other.post("/admin/sign-in", email=HERS)
    assert other.post("/admin/sign-in/code", code=code).status_code == 400
    assert count_sessions(services) == 1


def test_the_link_of_the_mail_asks_for_its_code_in_any_browser(
    ask, browser, mailbox, ada, app, services
):
    ask()
    mailbox.deliver()
    other = Browser(app, services)
    page = other.get(mailbox.link())
    assert (heading(page), HERS in page.text) == ("Check your mail", False)
    for _ in range(5):  # a stranger uses up the tries of the page without the mail
        browser.post("/admin/sign-in/code", code="00000000")
    assert browser.send("/admin/sign-in/code", code=mailbox.code()).status_code == 400
    page = other.post(other.at, code=mailbox.code())
    assert heading(page) == "Add your authenticator app"
    assert count_sessions(services) == 1


def test_half_a_code_is_no_try_and_a_code_ends_after_ten_minutes(ask, browser, mailbox, ada, clock):
    ask()
    mailbox.deliver()
    for _ in range(6):
        assert "8 digits" in words(browser.post("/admin/sign-in/code", code="4829"))
    clock.advance(minutes=10)
    shown = browser.post("/admin/sign-in/code", code=mailbox.code())
    assert "This code is over" in words(shown)


def test_an_address_that_is_none_is_said_so(ask):
    page = ask("nobody")
    assert page.status_code == 400


def test_an_invitation_proves_the_mailbox_once(invite, mailbox, browser, ada):
    invite(ada)
    assert mailbox.deliver() == [(HERS, "operator_invite")]
    link = mailbox.link("operator_invite")
    assert browser.client.head(link).status_code == 303
    for _ in range(2):
        assert heading(browser.get(link)) == "You are invited to the console"
    assert heading(browser.post(browser.at)) == "Add your authenticator app"
    again = browser.get(link)
    assert (again.status_code, "mailed code" in words(again)) == (410, True)
    assert browser.send(browser.at).status_code == 410


def test_an_invitation_ends_after_three_days_or_with_a_newer_one(
    invite, mailbox, browser, clock, ada
):
    invite(ada)
    mailbox.deliver()
    first = mailbox.link("operator_invite")
    clock.advance(minutes=2)
    invite(ada)
    mailbox.deliver()
    assert browser.get(first).status_code == 410
    clock.advance(hours=72)
    assert browser.get(mailbox.link("operator_invite")).status_code == 410


def test_five_wrong_codes_are_told_to_the_operator_and_stand_in_the_journal(
    sign_in, ada, apps, mailbox, services, clock
):
    apps.enrol(ada)
    clock.advance(seconds=30)
    halfway = sign_in(ada, proved=False)
    halfway.get("/admin/")
    for _ in range(5):
        page = halfway.post("/admin/sign-in/second", second_factor="000000")
    assert "Too many wrong codes" in words(page)
    assert mailbox.deliver() == [(HERS, "operator_notice")]
    assert "five wrong codes" in mailbox.text()
    with services.database.reading() as session:
        actions = session.scalars(select(JournalEntry.action).order_by(JournalEntry.number)).all()
        assert operators.find(session, ada.id).locked_until > clock()
    assert actions[-1] == "operator.lock"


def test_the_page_does_not_tell_that_somebody_asked_before(ask, mailbox, ada, app, services, clock):
    ask()
    mailbox.deliver()
    clock.advance(minutes=2)
    pages = []
    for address in (HERS, STRANGER):
        other = Browser(app, services)
        other.get("/admin/sign-in")
        pages.append(words(other.post("/admin/sign-in", email=address)).replace(address, "…"))
    assert pages[0] == pages[1]
    mailbox.deliver()
    assert (
        "Also requested from:" in mailbox.text()
    )  # who has the mailbox is told of the other browser
