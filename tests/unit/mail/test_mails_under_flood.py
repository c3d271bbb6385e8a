"""Whatever others ask for, nobody's own mail is refused or lost, and it leaves within the time that is promised."""

import re
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from domain_rules.addresses import EmailAddress
from identity.core.database import Database, make_engine
from identity.core.outbox import Lane
from identity.mail import code_mails, models as mails
from identity.mail.quota import Template
from identity.sign_up import service as sign_up
from identity.sign_up.models import record_moved_mail
from identity.threepids import associations, validation
from tests.worlds.askers import MAILBOX, People, tagged
from tests.worlds.sign_ups import *
from tests.worlds.sign_ups import ANA, BRUNO
from workers import tasks

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
SIGN_UP_IN_A_DAY, SIGN_UP_IN_AN_HOUR = 55, 6
CLIENT_SOON = timedelta(minutes=10)  # a minute for each account that wants the same
DOCS = Path(__file__).parents[3] / "docs"


ACTS = [
    "sign-up, new browser",
    "sign-up, same browser",
    "sign-up, tags",
    "lists",
    "lists, tags",
    "invitation",
    "client",
    "client, tags",
]


@pytest.mark.slow
@given(
    acts=st.lists(
        st.tuples(st.sampled_from(ACTS), st.integers(0, 4), st.integers(0, 40), st.integers(1, 12)),
        max_size=12,
    )
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_others_refuse_nobody_and_delay_nobody_longer_than_is_promised(
    database, rules, services, clock, acts
):
    """Each act is done several times over; then the owner comes, once new and once again."""
    began = clock()
    with database.transaction() as session:
        people = People(session, rules, services.vault, clock)
        before = people.sign_up(MAILBOX, ANA), people.lists(MAILBOX)
        people.client(MAILBOX, "@again:education.example")
        for what, number, minutes, times in acts:
            for _ in range(times):
                people.outsider(what, number)
            clock.advance(minutes=minutes)
        now = clock()
        assert people.sign_up(MAILBOX, BRUNO).mail_at <= now + HOUR
        assert people.lists(MAILBOX).mail_at <= now + HOUR
        for again in (people.sign_up(MAILBOX, ANA), people.lists(MAILBOX, before[1])):
            assert again.mail_at <= max(now + HOUR, began + 2 * HOUR)
            assert again.expires_at > again.mail_at
        own = people.client(MAILBOX, "@new:education.example")
        leaves_at = people.mail_of(own).goes_at
        assert leaves_at <= now + CLIENT_SOON
        assert validation.ends_at(own) >= leaves_at + HOUR
        if now >= began + MINUTE:
            again = people.client(MAILBOX, "@again:education.example", attempt=2)
            assert people.mail_of(again).goes_at <= max(now, began + HOUR) + CLIENT_SOON
        times = sorted(
            mail.goes_at
            for mail in mails.find_recent(session, limit=5000)
            if mail.template == "verify"
        )
        assert the_most_in(times, DAY) <= SIGN_UP_IN_A_DAY
        assert the_most_in(times, HOUR) <= SIGN_UP_IN_AN_HOUR
        session.rollback()
    clock.time = began


def the_most_in(times, window):
    return max(sum(first <= each < first + window for each in times) for first in times)


@pytest.fixture
def sqlite_database(sqlite_url):
    opened = Database(make_engine(sqlite_url))
    yield opened
    opened.engine.dispose()


def figures(page):
    text = re.sub(r"\s+", " ", (DOCS / page).read_text(encoding="utf-8"))
    return re.search(r"at most (\d+) in an hour and (\d+) in a day", text).groups()


@pytest.mark.slow
def test_who_floods_an_address_and_its_tags_gets_as_many_mails_to_it_as_the_docs_say(
    sqlite_database, clock
):
    """The worst that is known: tags fill the quotas, then both go on with what is kept for each."""
    began = clock()
    with sqlite_database.transaction() as session:
        for minute in [*range(70), *range(70, 24 * 60, 5)]:
            clock.time = began + minute * MINUTE
            for address in [tagged(minute % 5), *([MAILBOX] if minute >= 65 else [])]:
                code_mails.order(
                    session,
                    clock(),
                    template=Template.VERIFY,
                    address=address,
                    subject_id=uuid.uuid4(),
                    language="fr",
                    had_at=None,
                    tell_sooner=record_moved_mail,
                    again=True,
                )
        times = sorted(mail.goes_at for mail in mails.find_recent(session, limit=1000))
    found = the_most_in(times, HOUR), the_most_in(times, DAY)
    assert found == (SIGN_UP_IN_AN_HOUR, SIGN_UP_IN_A_DAY)
    for page in ("behaviour.md", "security.md"):
        assert figures(page) == tuple(str(each) for each in found)


@pytest.mark.slow
def test_who_floods_the_address_keeps_nothing_from_a_tag_of_its_owner(begin, clock):
    for number in range(60):
        begin(browser=f"browser {number}")
        clock.advance(minutes=11)
    address = EmailAddress.parse(tagged("work"))
    assert begin(browser="the owner", address=address).mail_at == clock()
    clock.advance(minutes=5)
    later = begin(browser="the owner elsewhere", address=EmailAddress.parse(tagged("home")))
    assert later.mail_at == clock() + timedelta(minutes=55)


@pytest.mark.slow
def test_a_tag_among_flooded_tags_waits_its_turn_and_gets_its_mail(begin, clock, post, database):
    for number in range(15):
        begin(browser=f"browser {number}", address=EmailAddress.parse(tagged(number)))
        clock.advance(minutes=1)
    owner = begin(browser="the owner", address=EmailAddress.parse(tagged("work")))
    assert HOUR < owner.mail_at - clock() < 15 * HOUR
    clock.time = owner.mail_at
    post()
    with database.reading() as session:
        (mail,) = mails.find_by_address(session, owner.address)
        assert (mail.state, owner.expires_at > clock()) == ("handed", True)


@pytest.mark.slow
def test_who_had_a_mail_has_another_two_hours_later_at_most_whoever_floods(begin, act, clock):
    owner = begin(browser=ANA)
    for number in range(20):
        clock.advance(minutes=2)
        begin(browser=f"browser {number}", address=EmailAddress.parse(tagged(number % 5)))
    act(sign_up.resend, owner, language="fr")
    assert begin(browser=ANA).mail_at <= owner.mail_at + 2 * HOUR


@pytest.mark.slow
def test_what_waits_is_brought_forward_for_who_may_have_a_mail_sooner(
    begin, act, clock, post, database
):
    greedy = begin(browser=ANA)
    for number in range(10):
        begin(browser=f"browser {number}", address=EmailAddress.parse(tagged(number)))
        clock.advance(minutes=1)
    act(sign_up.resend, greedy, language="fr")
    waits_until = begin(browser=ANA).mail_at
    newcomer = begin(browser=BRUNO)
    assert clock() < newcomer.mail_at < waits_until
    assert begin(browser=ANA).mail_at == newcomer.mail_at
    clock.time = newcomer.mail_at
    post()
    with database.reading() as session:
        states = [mail.state for mail in mails.find_by_address(session, MAILBOX)]
    assert states == ["handed", "handed"]


@pytest.mark.slow
@pytest.mark.parametrize("template", ["none", "exists"])
def test_what_a_mailbox_is_told_under_tags_is_not_kept_from_its_own_address(
    database, clock, services, rules, template
):
    """Nobody is invited, or everybody has an account; strangers asked for tags all morning."""
    addresses = [f"gil+{number}@asso.example" for number in range(4)] + ["gil@asso.example"]
    with database.transaction() as session:
        for number, address in enumerate(addresses):
            if template == "exists":
                known(session, clock(), address, number)
    for address in addresses:
        with database.transaction() as session:
            sign_up.start(
                session,
                rules,
                clock(),
                address=EmailAddress.parse(address),
                browser=f"browser of {address}",
                language="fr",
            )
        for lane in (Lane.URGENT, Lane.NORMAL):
            tasks.run_lane(services, lane)
        clock.advance(minutes=2)
    with database.reading() as session:
        (own,) = mails.find_by_address(session, "gil@asso.example")
        (fourth,) = mails.find_by_address(session, "gil+3@asso.example")
    assert (own.template, own.state) == (template, "handed")
    assert fourth.state == "withheld"


def known(session, now, address, number):
    associations.bind(session, now, address=address, user_id=f"@gil{number}:guests.example")
