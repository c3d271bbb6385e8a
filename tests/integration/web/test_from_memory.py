"""What is answered from memory waits for nobody: what would wait says so, before it has done anything."""

from dataclasses import replace

import pytest

from identity.app import create_app
from identity.core import metrics
from identity.core.database import Database
from identity.core.node_epoch import NodeEpoch, ShortMemory
from identity.core.rate_limits import RateLimits
from identity.core.waiting import WouldWait, about_to_wait, nothing_waits
from identity.freezes.in_force import FreezesInForce
from identity.routing.rules_in_force import RulesInForce
from identity.threepids import accounts
from identity.web import from_memory
from identity.web.matrix_guards import CALLERS
from tests.worlds.api import *
from tests.worlds.api import ask
from tests.worlds.programs import CAMILLE, Program

ADDRESS = "ana@ac-rouen.example"


@pytest.fixture
def camille(decided, tmp_path):
    with decided.database.transaction() as session:
        token = accounts.register(session, decided.now(), user_id=CAMILLE)
    epoch = NodeEpoch(tmp_path / "epoch")
    epoch.read()  # it is made
    services = replace(decided, database=Database(decided.database.engine, epoch=epoch))
    return Program(create_app(services).test_client(), services, token=token)


def counted() -> float:
    samples = [each for metric in metrics.HTTP_REQUESTS.collect() for each in metric.samples]
    return sum(each.value for each in samples)


def test_these_paths_are_tried_without_a_thread(decided):
    v2 = b"/_matrix/identity/v2"
    assert from_memory.paths(create_app(decided)) == {
        b"/_matrix/identity/versions",
        *(v2, v2 + b"/hash_details", v2 + b"/terms"),
        *(b"/_matrix/identity/api/v1", b"/_matrix/identity/api/v1/info"),
    }


def test_what_needs_no_database_does_not_wait_for_it(decided):
    """The route of each, with an address that the rules know."""
    app = create_app(decided)
    for path in sorted(from_memory.paths(app) - {b"/_matrix/identity/v2/hash_details"}):
        with nothing_waits():
            answer = app.test_client().get(
                path.decode(), query_string={"medium": "email", "address": ADDRESS}
            )
        assert answer.status_code == 200, path


def test_hash_details_waits_once_and_then_remembers(camille):
    with pytest.raises(WouldWait), nothing_waits():
        camille.get("/hash_details")
    assert camille.get("/hash_details").status_code == 200
    with nothing_waits():
        assert camille.get("/hash_details").status_code == 200


def test_who_waits_is_counted_once(camille):
    before = counted()
    with pytest.raises(WouldWait), nothing_waits():
        camille.get("/hash_details")
    assert counted() == before
    camille.get("/hash_details")
    assert counted() == before + 1


@pytest.mark.parametrize(("level", "with_credential"), [("authenticated", True), ("legacy", False)])
def test_info_waits_where_it_asks_for_the_person(decided, credential, level, with_credential):
    settings = decided.settings.model_copy(update={"info_person_level": level})
    client = create_app(replace(decided, settings=settings)).test_client()
    with pytest.raises(WouldWait), nothing_waits():
        ask(client, ADDRESS, headers=credential if with_credential else {})


def test_where_nothing_can_be_remembered_every_request_waits(camille):
    camille.client.application.extensions[CALLERS] = ShortMemory(None)
    camille.get("/hash_details")
    with pytest.raises(WouldWait), nothing_waits():
        camille.get("/hash_details")


@pytest.mark.parametrize("kind", [RulesInForce, FreezesInForce])
def test_a_look_that_is_due_waits_and_the_next_one_does_not(services, kind):
    cache = kind(services.database, services.now, look_every=0.0)
    with pytest.raises(WouldWait), nothing_waits():
        cache.current()
    lasting = kind(services.database, services.now, look_every=float("inf"))
    held = lasting.current()
    with nothing_waits():
        assert lasting.current() == held


@pytest.mark.parametrize("kind", [RulesInForce, FreezesInForce])
def test_while_somebody_looks_nobody_else_waits(services, kind):
    cache = kind(services.database, services.now, look_every=0.0)
    held = cache.current()
    with cache._looking, nothing_waits():
        assert cache.current() == held


def test_who_would_be_counted_by_a_limit_waits_and_is_counted_once(settings):
    limits = RateLimits(settings)
    with pytest.raises(WouldWait), nothing_waits():
        limits.spend_network("192.0.2.1")
    assert not limits._here.limiter.storage.storage


def test_after_the_block_everything_may_wait():
    with pytest.raises(ZeroDivisionError), nothing_waits():
        raise ZeroDivisionError
    about_to_wait()


def test_an_error_of_ours_is_answered_as_ever(decided):
    class Broken:
        degraded = False

        def current(self):
            raise ZeroDivisionError

    app = create_app(replace(decided, rules=Broken()))
    app.config["PROPAGATE_EXCEPTIONS"] = False
    with nothing_waits():
        assert ask(app.test_client(), ADDRESS).status_code == 500
