"""`guichet serve` on an empty folder: from the first start to the name of the homeserver, and what it survives."""

import os
import signal

import pytest

from tests.services.children import children_of, command_of, lives
from tests.services.person import Person, code_in, link_in
from tests.services.processes import Web
from tests.services.waiting import wait_for

ADDRESS = "camille.durand@ac-rouen.example"


@pytest.fixture
def guichet(processes_of_file) -> Web:
    """One for the tests of this file, each of which has addresses of its own."""
    if not (processes_of_file.started and processes_of_file.started[-1].running):
        processes_of_file.serve({})
    return processes_of_file.started[-1]


def mails_to(person: Person, address: str = ADDRESS):
    found = person.session.get(f"{person.url}/dev/mail.json", timeout=60).json()
    return [mail for mail in found if mail["to"] == address]


def wait_for_mail(person: Person, number: int = 1, address: str = ADDRESS):
    what = f"{number} mails to {address}"
    return wait_for(lambda: mails_to(person, address)[number - 1 :], what=what, within=90)[0]


def test_a_newcomer_types_an_address_reads_the_mail_and_is_told_the_homeserver(guichet):
    camille = Person(guichet.url)
    assert camille.ask(" Camille.Durand@AC-ROUEN.example ").url.endswith("/check/1")
    mail = wait_for_mail(camille)
    assert set(mail) >= {"to", "subject", "date", "text", "html", "raw"}
    assert f"To: {ADDRESS}" in mail["raw"].replace("\r", "")
    camille.type_code(code_in(mail["text"]))
    assert "Éducation nationale" in camille.page.text
    assert "https://app.element.io" in camille.page.text


def test_the_link_confirms_in_the_browser_that_asked_and_nowhere_else(guichet):
    camille, scanner = Person(guichet.url, "en"), Person(guichet.url)
    address = "camille.petit@ac-rouen.example"
    camille.ask(address)
    link = link_in(wait_for_mail(camille, address=address)["text"])
    scanner.open(link)
    scanner.send()
    assert camille.open("/check/1").url.endswith("/check/1")
    camille.open(link)
    camille.send()
    assert "/account/1" in camille.page.url
    assert "Éducation nationale" in camille.page.text


def test_a_killed_worker_is_replaced_and_the_mail_still_comes(guichet):
    worker = wait_for(
        lambda: [pid for pid in children_of(guichet.pid) if "\0worker\0" in command_of(pid)],
        what="the worker",
    )[0]
    os.killpg(worker, signal.SIGKILL)
    camille, address = Person(guichet.url), "camille.roux@ac-rouen.example"
    camille.ask(address)
    assert wait_for_mail(camille, address=address)


def test_everything_ends_with_the_command_that_started_it_and_the_second_start_keeps_the_data(
    processes_of_file, guichet
):
    first, address = guichet, "zoe.martin@ac-rouen.example"
    Person(first.url).ask(address)
    wait_for_mail(Person(first.url), address=address)
    children = wait_for(lambda: children_of(first.pid), what="children of serve")
    os.kill(first.pid, signal.SIGTERM)
    assert first.process.wait(90) == 0
    wait_for(lambda: not any(map(lives, children)), what="all children gone")
    second = processes_of_file.serve({})
    assert len(mails_to(Person(second.url), address)) == 1
    assert "First start" in processes_of_file.started[0].log
    assert "First start" not in second.log
