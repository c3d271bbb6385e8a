"""A Matrix client gets its sid and its mail, whatever browsers and other accounts ask for; only its own excess is refused."""

from datetime import timedelta

import pytest

from domain_rules.addresses import EmailAddress
from identity import problems
from identity.core.one_time_codes.models import Purpose
from identity.core.one_time_codes.service import Result
from identity.core.outbox import Lane
from identity.mail import models as mails
from identity.threepids import validation
from tests.worlds import codes
from tests.worlds.askers import MAILBOX, People, tagged
from tests.worlds.sign_ups import *
from workers import tasks

HOUR = timedelta(hours=1)
CLIENT_SOON = timedelta(minutes=10)


@pytest.fixture
def client(database, services, clock):
    def client(account, attempt=1, secret="secret", address=MAILBOX):
        with database.transaction() as session:
            people = People(session, None, services.vault, clock)
            return people.client(address, account, attempt, secret)

    return client


@pytest.mark.slow
def test_thirty_starts_for_tags_of_an_address_refuse_no_client_its_mail(
    begin, client, clock, database, services, tokens
):
    for number in range(30):
        begin(browser=f"browser {number}", address=EmailAddress.parse(tagged(number)))
        clock.advance(minutes=1)
    asked = client("@camille:education.example")
    tasks.run_lane(services, Lane.URGENT)
    assert proves(database, tokens, clock, asked)


@pytest.mark.slow
def test_other_accounts_may_delay_a_client_by_minutes_and_what_it_has_stays_good(
    client, clock, database, services, tokens
):
    """Four accounts take all that the mailbox has in common for a day."""
    for number in range(40):
        client(f"@outsider{number % 4}:education.example", secret=f"s{number}", address=tagged(1))
        clock.advance(minutes=13)
    first = client("@camille:education.example")
    with database.reading() as session:
        assert People(session, None, None, clock).mail_of(first).goes_at <= clock() + CLIENT_SOON
    clock.advance(minutes=10)
    asked_at = clock()
    assert client("@camille:education.example", attempt=2).sid == first.sid
    assert client("@camille:education.example", attempt=3).sid == first.sid
    with database.reading() as session:
        second = max(
            mail.goes_at
            for mail in mails.find_by_address(session, MAILBOX)
            if mail.subject_id == first.id
        )
    assert asked_at + timedelta(minutes=40) < second <= asked_at + HOUR
    clock.time = second
    tasks.run_lane(services, Lane.URGENT)
    clock.time = second + timedelta(hours=23)
    assert proves(database, tokens, clock, first)


@pytest.mark.slow
def test_who_asks_too_much_is_refused_alone_and_told_when(client, clock):
    for number in range(10):
        client("@greedy:education.example", secret=f"s{number}", address=tagged(number))
        clock.advance(minutes=13)
    with pytest.raises(problems.TooManyMails) as refused:
        client("@greedy:education.example", secret="one more")
    assert refused.value.retry_after == (24 * 60 - 130) * 60
    client("@camille:education.example", secret="one more")


def test_two_accounts_with_the_same_secret_have_a_session_each(client):
    assert client("@a:education.example").sid != client("@b:education.example").sid


def proves(database, tokens, clock, asked):
    with database.transaction() as session:
        row = validation.find(session, sid=asked.sid, client_secret="secret")
        code = codes.mailed(session, tokens, Purpose.CLIENT, row.sid)
        answer = validation.try_code(session, tokens, clock(), row, code)
        return answer.result is Result.RIGHT
