"""Many people sign up at the same moment, from the form to an account on a real Synapse: each gets one, and nobody is lost."""

import random
import statistics
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import EmailMessage
from functools import partial
from typing import Any

import pytest
import requests

from tests.services.person import PASSWORD, Person, code_in, plain
from tests.services.production import ask_database, wait_until_done
from tests.services.smtp import Relay
from tests.services.waiting import wait_for

pytestmark = pytest.mark.faults
PEOPLE = 200
WEB_WORKERS = 3
PATIENCE = 900.0  # seconds, on a machine that is busy with other work


@dataclass
class Visitor:
    """One of the crowd: does what each page says, and reloads one that says "try again"."""

    url: str
    relay: Relay
    address: str
    answers: list[requests.Response] = field(default_factory=list)
    passwords: int = 0
    ended: float = 0.0
    failure: BaseException | None = None

    def run(self, together: threading.Barrier) -> None:
        try:
            together.wait()
            began = time.monotonic()
            self._sign_up()
            self.ended = time.monotonic() - began
        except BaseException as failure:  # noqa: BLE001  told by the test
            self.failure = failure

    def _sign_up(self) -> None:
        session = requests.Session()
        session.hooks["response"].append(lambda answer, **_: self.answers.append(answer))
        person = self._patiently(lambda: Person(self.url, session=session))
        self._patiently(partial(person.send, "/start", email=self.address), person)
        assert person.page.url.endswith("/check/1"), person.page.text
        mail = wait_for(self._mail, what=f"the mail to {self.address}", within=PATIENCE, pause=0.5)
        self._patiently(partial(person.type_code, code_in(plain(mail))), person)
        assert "/account/1" in person.page.url, person.page.text
        deadline = time.monotonic() + PATIENCE
        while not person.page.url.endswith("/done"):
            assert time.monotonic() < deadline, person.page.text
            if "Refresh" in person.page.headers:
                time.sleep(float(person.page.headers["Refresh"].partition(";")[0]))
                self._patiently(partial(person.open, person.page.url), person)
            else:  # the form; once more if no worker took the password within a minute
                self.passwords += 1
                asked = {"password": PASSWORD}
                if 'name="password_again"' in person.page.text:
                    asked["password_again"] = PASSWORD
                self._patiently(partial(person.send, **asked), person)

    def _patiently(self, act: Callable[[], Any], person: Person | None = None) -> Any:
        """Again after the time that a busy server names; forms are sent from the page before."""
        before = person.page if person else None
        deadline = time.monotonic() + PATIENCE
        while True:
            result = act()
            page = result.page if isinstance(result, Person) else result
            if page.status_code != 503:
                return result
            assert time.monotonic() < deadline, "the server stays busy"
            time.sleep(int(page.headers["Retry-After"]))
            if person and before is not None:
                person.page = before

    def _mail(self) -> EmailMessage | None:
        """The first mail to them: the one with the code."""
        deliveries = [each for each in self.relay.deliveries if self.address in each.recipients]
        return deliveries[0].message if deliveries else None


@pytest.fixture
def on_synapse(production, guichet_processes, synapse, tmp_path) -> dict[str, str]:
    """As an operator sets it whose people all come from one network, here this machine."""
    secret, token = tmp_path / "secret", tmp_path / "token"
    secret.write_text(synapse.registration_secret)
    token.write_text(synapse.admin_token)
    guichet = guichet_processes.guichet
    guichet("db", "upgrade", env=production)
    guichet(
        *("homeserver", "add", synapse.server_name, "--url", synapse.url),
        *("--label", "Éducation nationale", "--connector", "synapse"),
        *("--registration-secret-file", str(secret), "--admin-token-file", str(token)),
        env=production,
    )
    guichet(
        *("domain", "add", "ac-rouen.example", "--homeserver", synapse.server_name),
        env=production,
    )
    return {**production, "GUICHET_SHARED_NETWORKS": "127.0.0.0/8"}


@pytest.mark.parametrize(
    "number", [12, pytest.param(PEOPLE, marks=pytest.mark.long)], ids="{} people".format
)
def test_everybody_gets_one_account(
    on_synapse, guichet_processes, smtp_server, synapse, record_fault, number
):
    web = guichet_processes.web(on_synapse, "--workers", str(WEB_WORKERS))
    guichet_processes.worker(on_synapse)
    guichet_processes.beat(on_synapse)
    name = f"crowd{uuid.uuid4().hex[:8]}"  # new: the Synapse is the session's
    crowd = [
        Visitor(web.url, smtp_server, f"{name}.person{each}@ac-rouen.example")
        for each in range(number)
    ]
    together = threading.Barrier(number + 1)
    threads = [threading.Thread(target=each.run, args=(together,)) for each in crowd]
    for thread in threads:
        thread.start()
    together.wait()
    said: set[str] = set()
    while any(thread.is_alive() for thread in threads):
        ready = requests.get(f"{web.url}/readyz", timeout=60)
        said |= {*ready.json()["degraded"]} if ready.ok else {"503, busy"}
        threads[-1].join(2)
    for thread in threads:
        thread.join()
    assert [each.failure for each in crowd if each.failure] == []
    statuses = Counter(answer.status_code for each in crowd for answer in each.answers)
    assert set(statuses) <= {200, 303, 503}, "a busy server says when to come again"
    wait_until_done(on_synapse)

    path = f"/_synapse/admin/v2/users?name={name}.&limit=1000"
    accounts = Counter(each["name"] for each in synapse.call("GET", path).json()["users"])
    assert len(accounts) == number
    assert set(accounts.values()) == {1}
    [[booked]] = ask_database(on_synapse, "select count(*) from accounts")
    assert booked == number
    messages = smtp_server.messages
    ids = Counter(message["Message-ID"] for message in messages)
    assert set(ids.values()) == {1}, "no worker died, so no mail may come twice"
    kinds = Counter(
        (message["To"], message["X-Guichet-Template"].partition(";")[0]) for message in messages
    )
    for each in crowd:
        assert kinds[each.address, "verify"] == kinds[each.address, "welcome"] == 1
    for each in random.sample(crowd, 5):
        by_mail = {"type": "m.id.thirdparty", "medium": "email", "address": each.address}
        assert synapse.log_in(by_mail, PASSWORD).status_code == 200
    took = sorted(each.ended for each in crowd)
    slowest = max(answer.elapsed.total_seconds() for each in crowd for answer in each.answers)
    record_fault(
        f"clients: {number} people sign up at the same moment",
        tried=number,
        survived=len(accounts),
        seconds=took[-1],
        said=f"/readyz: {', '.join(sorted(said)) or 'ready'}; median {statistics.median(took):.0f} s, "
        f"slowest page {slowest:.1f} s, {sum(statuses.values())} answers, {statuses[503]} of them 503 with Retry-After; "
        f"{sum(each.passwords > 1 for each in crowd)} chose their password twice",
    )
