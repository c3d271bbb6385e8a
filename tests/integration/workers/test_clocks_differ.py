"""The clocks of the machines differ: bells are heard, codes leave at once, and forms go to any node."""

from datetime import timedelta

import pytest
import requests

from tests.services.person import Person, code_in, plain
from tests.services.production import ask_database, wait_until_done
from tests.services.skewed_clock import skewed
from tests.services.waiting import wait_for

PEOPLE = [f"camille.{letter}@ac-rouen.example" for letter in "abcd"]
LATE = timedelta(seconds=40)  # a worker that is 60 s behind would send the code later than that


@pytest.mark.faults
@pytest.mark.parametrize(
    ("web_seconds", "worker_seconds"),
    [
        (20, -60),
        pytest.param(-60, 20, marks=pytest.mark.long),
        pytest.param(3600, -3600, marks=pytest.mark.long),
    ],
)
def test_people_notice_nothing(
    federation, guichet_processes, smtp_server, record_fault, web_seconds, worker_seconds
):
    other = guichet_processes.web(federation)
    web = guichet_processes.web(federation | skewed(web_seconds))
    guichet_processes.worker(federation | skewed(worker_seconds), "--concurrency", "3")
    guichet_processes.worker(federation, "--concurrency", "2", "--hostname", "other@%h")
    seen = "select 1 from worker_heartbeats where abs(clock_offset) > 10000"
    wait_for(lambda: len(ask_database(federation, seen)) == 2, what="the clocks are measured")
    for number, address in enumerate(PEOPLE):
        person = Person(web.url if number % 2 else other.url)
        person.url = other.url if number % 2 else web.url  # the form goes to the other node
        press(person, "/start", email=address)
        assert person.page.url.endswith("/check/1"), person.page.text
        person.url = web.url
        press(person, code=code_in(plain(smtp_server.wait_for_mail(address))))
        assert "/account/1" in person.page.url
    wait_until_done(federation)
    count = "select id from mails"  # also those that tell of the use of a code
    wait_for(lambda: len(ids(smtp_server)) >= len(ask_database(federation, count)), what="all left")
    sent = ids(smtp_server)
    assert len(sent) == len(set(sent)) == len(ask_database(federation, count)), "each left once"
    waited = "select max(done_at - created_at) from outbox where errand = 'mail'"
    longest = ask_database(federation, waited)[0][0]
    assert longest < LATE
    said = requests.get(f"{other.url}/readyz", timeout=60).json()["degraded"]
    record_fault(
        f"clocks: web {web_seconds:+d} s, worker {worker_seconds:+d} s",
        tried=len(PEOPLE),
        survived=len(PEOPLE),
        seconds=longest.total_seconds(),
        said=f"/readyz: {', '.join(said)}",
    )


def press(person, action=None, **fields):
    """Send the form. A node that is an hour off takes it for an old one, and shows it once more."""
    person.send(action, **fields)
    if person.page.status_code == 400:
        person.send()


def ids(relay) -> list[str]:
    return [message["Message-ID"] for message in relay.messages]
