"""The sample federation: good as it stands, and loaded where nothing is yet."""

import pytest

from domain_rules.addresses import EmailAddress
from identity.homeservers import models as homeservers
from identity.routing.models import current_number, load_rule_set
from identity.rule_changes.cli.sample import PATHS, load_sample
from identity.services import build_services
from identity.settings import read_settings
from tests.worlds.command_line import *


@pytest.fixture
def worker_services(sqlite_url, tmp_path):
    made = build_services(read_settings(_env_file=None, data_dir=tmp_path))
    yield made
    made.database.engine.dispose()


def test_it_is_loaded_once(worker_services):
    assert load_sample(worker_services)
    assert not load_sample(worker_services)
    with worker_services.database.reading() as session:
        labels = [homeserver.label for homeserver in homeservers.find_all(session)]
        assert current_number(session) == 1
    assert labels == ["Éducation nationale", "Externes", "Intérieur"]


@pytest.mark.parametrize(
    ("address", "homeserver", "reason"),
    [
        ("camille.durand@ac-rouen.example", "education.guichet.localhost", "open"),
        ("ana@ac-normandie.example", "guests.guichet.localhost", "sibling"),
        ("ana@interieur.example", "interieur.guichet.localhost", "open"),
        ("ana@bureau.interieur.example", "interieur.guichet.localhost", "open"),
        ("gil@asso.example", "guests.guichet.localhost", "invite_required"),
    ],
)
def test_it_decides_as_its_comments_say(worker_services, address, homeserver, reason):
    load_sample(worker_services)
    with worker_services.database.reading() as session:
        decision = load_rule_set(session, at=worker_services.now()).decide(
            EmailAddress.parse(address)
        )
    assert (decision.homeserver, decision.reason) == (homeserver, reason)


def test_nothing_is_loaded_where_there_is_a_homeserver(run, worker_services):
    run("homeserver", "add", "own.example", "--url", "https://own.example")
    assert not load_sample(worker_services)
    assert [each["name"] for each in run.json("homeserver", "list")] == ["own.example"]


def test_nothing_is_loaded_where_rules_were_published(federation, worker_services):
    assert not load_sample(worker_services)


def test_importing_it_again_changes_nothing(run, worker_services):
    load_sample(worker_services)
    shown = run.json("domain", "import", str(PATHS[0]))
    assert (shown["revision"], shown["unchanged"], shown["refused"]) == (1, 4, [])
