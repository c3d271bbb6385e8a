"""`guichet serve` on an empty folder: from the first start to the name of the homeserver, and what it survives."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.services.person import Person, code_in, link_in
from tests.services.waiting import wait_for

ADDRESS = "camille.durand@ac-rouen.example"


@pytest.fixture
def guichet(guichet_processes):
    return guichet_processes.serve({})


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
    camille.ask(ADDRESS)
    link = link_in(wait_for_mail(camille)["text"])
    scanner.open(link)
    scanner.send()
    assert camille.open("/check/1").url.endswith("/check/1")
    camille.open(link)
    camille.send()
    assert "/account/1" in camille.page.url
    assert "Éducation nationale" in camille.page.text


def test_everything_ends_with_the_command_that_started_it(guichet):
    children = wait_for(lambda: of_parent(guichet.pid), what="children of serve")
    os.kill(guichet.pid, signal.SIGTERM)
    assert guichet.process.wait(30) == 0
    wait_for(lambda: not any(map(alive, children)), what="all children gone")


def test_a_killed_worker_is_replaced_and_the_mail_still_comes(guichet):
    worker = wait_for(
        lambda: [pid for pid in of_parent(guichet.pid) if "\0worker\0" in command(pid)],
        what="the worker",
    )[0]
    os.killpg(worker, signal.SIGKILL)
    camille = Person(guichet.url)
    camille.ask(ADDRESS)
    assert wait_for_mail(camille)


def test_the_second_start_keeps_the_data_of_the_first(guichet_processes):
    first = guichet_processes.serve({})
    Person(first.url).ask(ADDRESS)
    wait_for_mail(Person(first.url))
    os.kill(first.pid, signal.SIGTERM)
    first.process.wait(30)
    second = guichet_processes.serve({})
    assert len(mails_to(Person(second.url))) == 1
    assert "First start" in first.log
    assert "First start" not in second.log


def of_parent(pid: int) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    return [int(line) for line in found.stdout.split()]


def command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8")


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}/cmdline").exists() and bool(command(pid))
