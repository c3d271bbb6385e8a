"""The relay or the worker fails: people do not notice, the mail leaves once, later."""

import time

import pytest
import requests

from tests.services.person import Person, code_in, plain
from tests.services.production import ask_database, wait_until_done
from tests.services.waiting import wait_for

ADDRESS = "camille.durand@ac-rouen.example"


@pytest.mark.faults
def test_a_relay_that_never_greets_delays_the_mail_but_no_page(
    federation, guichet_processes, silent_smtp, smtp_server, record_fault
):
    silent = federation | {"GUICHET_SMTP_URL": silent_smtp.url}
    web = guichet_processes.web(federation)
    worker = guichet_processes.worker(silent, "--concurrency", "2")
    camille = Person(web.url)
    camille.ask(ADDRESS)
    assert camille.page.url.endswith("/check/1")
    wait_for_attempt(federation)
    assert smtp_server.messages == []
    # The page does not wait for the relay: it never speaks to it.
    assert Person(web.url).ask("lea.petit@ac-rouen.example").url.endswith("/check/1")
    said = requests.get(f"{web.url}/readyz", timeout=60).json()["degraded"]
    worker.kill()  # between the lease and the first word of the relay

    make_due(federation)
    began = time.monotonic()
    guichet_processes.worker(federation, "--concurrency", "2")
    guichet_processes.beat(federation)
    smtp_server.wait_for_mail(ADDRESS)
    seconds = time.monotonic() - began
    wait_until_done(federation)
    assert len(smtp_server.to(ADDRESS)) == 1
    record_fault(
        "relay: never greets; its worker is killed and another has a good one",
        tried=1,
        survived=1,
        seconds=seconds,
        said=f"/readyz: {', '.join(said)}; no page waited",
    )
    camille.type_code(code_in(plain(smtp_server.to(ADDRESS)[0])))
    assert "/account/1" in camille.page.url


@pytest.mark.faults
def test_without_a_broker_pages_answer_and_the_timetable_finds_the_mail(
    federation, guichet_processes, smtp_server, record_fault
):
    deaf = federation | {"GUICHET_BROKER_URL": "redis://127.0.0.1:1/0"}
    web = guichet_processes.web(deaf)
    Person(web.url).ask(ADDRESS)
    assert smtp_server.messages == []
    began = time.monotonic()
    guichet_processes.worker(federation, "--concurrency", "2")
    guichet_processes.beat(federation)
    smtp_server.wait_for_mail(ADDRESS)
    record_fault(
        "Redis: no broker at the commit, so nobody rang",
        tried=1,
        survived=1,
        seconds=time.monotonic() - began,
        said="log of the web: broker away, a sweep will find the work",
    )
    assert "broker away" in web.log


def test_nothing_secret_or_personal_stands_in_the_logs(federation, guichet_processes, smtp_server):
    web = guichet_processes.web(federation)
    worker = guichet_processes.worker(federation, "--concurrency", "2")
    camille = Person(web.url)
    camille.ask(ADDRESS)
    mail = plain(smtp_server.wait_for_mail(ADDRESS))
    code = code_in(mail)
    camille.type_code(code)
    for log in (worker.log, web.log):
        assert code not in log
        assert ADDRESS not in log


def wait_for_attempt(environment):
    taken = "select 1 from outbox where attempts > 0"
    wait_for(lambda: ask_database(environment, taken), what="a worker takes the job", pause=0.1)


def make_due(environment):
    """As if the lease, or the time until the next try, had run out."""
    ask_database(environment, "update outbox set due_at = created_at where done_at is null")
