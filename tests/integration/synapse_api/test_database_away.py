"""The database is away: homeservers and clients are answered by what this process knows."""

import threading
from contextlib import contextmanager
from dataclasses import replace

import pytest
from sqlalchemy.exc import OperationalError

from identity.app import create_app
from identity.core.database import Database
from identity.homeservers import credentials
from identity.routing import rules_in_force
from identity.routing.rules_in_force import RulesInForce
from identity.web import known_credentials
from identity.web.guards import KNOWN
from tests.services.waiting import wait_for
from tests.worlds.api import *

API = "/api/homeserver/v1"
INFO = "/_matrix/identity/api/v1/info?medium=email&address=camille.durand@ac-rouen.example"


class Fickle(Database):
    """A database that is away when it is told to be, at once or after some time."""

    is_gone = False

    def __init__(self, database):
        super().__init__(database.engine)
        self.hangs = threading.Event()
        self.hangs.set()

    @contextmanager
    def reading(self):
        self.hangs.wait(60)
        if self.is_gone:
            raise OperationalError("select", None, TimeoutError("away"))
        with super().reading() as session:
            yield session

    @contextmanager
    def transaction(self):
        if self.is_gone:
            raise OperationalError("update", None, TimeoutError("away"))
        with super().transaction() as session:
            yield session


@pytest.fixture
def fickle(database):
    return Fickle(database)


@pytest.fixture
def at_level(services, fickle, clock):
    def at_level(level="off"):
        settings = services.settings.model_copy(update={"info_person_level": level})
        rules = RulesInForce(fickle, clock, look_every=0)
        return create_app(replace(services, settings=settings, database=fickle, rules=rules))

    return at_level


@pytest.fixture
def client(at_level):
    return at_level().test_client()


def test_the_rules_feed_goes_on_with_its_tag(client, fickle, credential):
    before = client.get(f"{API}/rules", headers=credential)
    fickle.is_gone = True
    after = client.get(f"{API}/rules", headers=credential)
    assert (after.status_code, after.data) == (200, before.data)
    tag = {"If-None-Match": before.headers["ETag"]}
    assert client.get(f"{API}/rules", headers=credential | tag).status_code == 304


def test_a_feed_that_was_never_asked_for_is_not_there(client, fickle, credential):
    client.get(f"{API}/agents?since=0", headers=credential)  # the credential is known
    fickle.is_gone = True
    answer = client.get(f"{API}/rules", headers=credential)
    assert (answer.status_code, answer.json["errcode"]) == (503, "M_UNKNOWN")
    assert int(answer.headers["Retry-After"]) > 0


def test_a_module_that_has_all_agents_hears_that_there_is_no_news(client, fickle, credential):
    before = client.get(f"{API}/agents?since=0", headers=credential)
    number, tag = before.json["number"], {"If-None-Match": before.headers["ETag"]}
    fickle.is_gone = True
    answer = client.get(f"{API}/agents?since={number}", headers=credential)
    assert answer.status_code == 200
    assert answer.json == before.json | {"added": [], "removed": [], "complete": False}
    assert client.get(f"{API}/agents?since={number}", headers=credential | tag).status_code == 304
    assert client.get(f"{API}/agents?since={number + 1}", headers=credential).status_code == 503


def test_a_credential_counts_only_for_a_while(at_level, fickle, credential, monkeypatch):
    app = at_level()
    client, known = app.test_client(), app.extensions[KNOWN]
    now = known._clock()
    monkeypatch.setattr(known, "_clock", lambda: now)
    client.get(f"{API}/rules", headers=credential)
    fickle.is_gone = True
    monkeypatch.setattr(known, "_clock", lambda: now + known_credentials.TRUSTED_FOR - 1)
    assert client.get(f"{API}/rules", headers=credential).status_code == 200
    monkeypatch.setattr(known, "_clock", lambda: now + known_credentials.TRUSTED_FOR + 1)
    assert client.get(f"{API}/rules", headers=credential).status_code == 503


def test_a_credential_that_was_seen_to_be_retired_counts_no_more(
    client, fickle, services, credential, clock
):
    client.get(f"{API}/rules", headers=credential)
    with services.database.transaction() as session:
        credentials.retire(session, homeserver="education.example", at=clock())
    assert client.get(f"{API}/rules", headers=credential).status_code == 403
    fickle.is_gone = True
    assert client.get(f"{API}/rules", headers=credential).status_code == 503


@pytest.mark.parametrize(
    ("level", "status"), [("off", 200), ("authenticated", 200), ("legacy", 503)]
)
def test_info_answers_by_the_rules(at_level, fickle, credential, level, status):
    client = at_level(level).test_client()
    before = client.get(INFO, headers=credential)
    assert before.json["hs"] == "education.example"
    fickle.is_gone = True
    after = client.get(INFO, headers=credential)
    assert after.status_code == status
    if status == 200:
        assert after.json == before.json


def test_nobody_waits_for_a_check_of_the_rules_that_hangs(at_level, fickle, monkeypatch):
    monkeypatch.setattr(rules_in_force, "WAIT", 0.01)
    client = at_level().test_client()
    before = client.get(INFO).json
    fickle.hangs.clear()
    try:
        # Each of these would wait for a minute.
        assert [client.get(INFO).json for _ in range(5)] == [before] * 5
        assert client.application.extensions["guichet"].rules.degraded
    finally:
        fickle.hangs.set()
    rules = client.application.extensions["guichet"].rules
    wait_for(lambda: (client.get(INFO), not rules.degraded)[1], what="the rules are checked again")
