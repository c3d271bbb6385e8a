"""What operators' checks are told, and how long a node goes on when its database does not."""

import uuid
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, text

from domain_rules.rule import AccountClass, Rule, RuleKind
from domain_rules.rules import RuleSet
from identity.app import create_app
from identity.core import continuity, leases, outbox
from identity.core.database import Database, make_engine
from identity.core.database_faults import AWAY
from identity.core.nodes import Node, NodeKind
from identity.core.outbox import JobKind, Lane
from identity.core.rate_limits import RateLimits
from identity.health.faults import find_faults
from identity.health.heartbeat import Heartbeat
from identity.invitations.models import Delivery
from identity.routing.rules_in_force import RulesInForce
from tests.services.waiting import wait_for
from tests.worlds.api import *
from tests.worlds.api import ask

ADDRESS = "ana@ac-rouen.example"


@pytest.fixture
def rules(clock) -> RuleSet:
    """One of these rules ends in a minute: then the process must look into its database again."""
    facts = {"requires_invite": False}
    agent, home = AccountClass.AGENT, "education.example"
    end = clock() + timedelta(minutes=1)
    return RuleSet.compile(
        [
            Rule(RuleKind.DOMAIN, "ac-rouen.example", agent, home, **facts),
            Rule(RuleKind.DOMAIN, "fair.example", agent, home, valid_until=end, **facts),
        ]
    )


@pytest.fixture(params=["public", "internal"])
def client(services, request):
    return create_app(services, listener=request.param).test_client()


def take_away(database: Database) -> None:
    """From now on the database cannot be opened; nothing that is held open reaches it either."""
    database.engine.dispose()
    path = Path(database.engine.url.database)
    path.unlink()
    path.mkdir()


@dataclass(frozen=True)
class LoneLimits:
    """Limits whose shared store is away."""

    degraded: bool = True


def readiness(client) -> tuple[int, dict]:
    answer = client.get("/readyz")
    return answer.status_code, answer.json


def test_a_service_that_lacks_nothing_is_ready(client):
    ready = {"status": "ready", "degraded": [], "oldest_outbox_entry_seconds": 0}
    counts = {"dead_deliveries": 0, "held_invitations": 0, "frozen": []}
    assert readiness(client) == (200, ready | counts)


def test_a_schema_older_than_the_code_is_not_served(services, client):
    with services.database.transaction() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '0016'"))
    assert readiness(client) == (503, {"status": "unready", "degraded": ["schema"]})
    assert client.get("/healthz").status_code == 200
    with services.database.transaction() as session:
        session.execute(text("DELETE FROM alembic_version"))
    assert readiness(client)[0] == 503


def test_a_schema_of_a_later_version_is_served(services, client):
    with services.database.transaction() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert readiness(client)[0] == 200


def test_requests_are_answered_503_while_the_schema_is_too_old(services, client):
    with services.database.transaction() as session:
        session.execute(text("DROP TABLE homeserver_credentials"))
    credential = {"Authorization": "Bearer guichet_x"}
    answer = ask(client, ADDRESS, path="/internal-info", headers=credential)
    assert (answer.status_code, answer.json["errcode"]) == (503, "M_UNKNOWN")
    assert int(answer.headers["Retry-After"]) > 0


def test_processes_that_are_missing_are_said_so(services, client):
    with services.database.transaction() as session:
        session.execute(delete(Node))
    assert readiness(client)[1]["degraded"] == ["worker", "scheduler"]


def test_deliveries_nobody_tries_any_more_are_counted(services, client, invite):
    invite(delivery=Delivery.DEAD)
    assert readiness(client)[1]["dead_deliveries"] == 1


def test_a_database_that_is_away_takes_no_rules_from_clients(services, client, clock):
    before = ask(client, ADDRESS).json
    take_away(services.database)
    clock.advance(minutes=2)
    answer = ask(client, ADDRESS)
    assert (answer.status_code, answer.json) == (200, before)
    assert before["hs"] == "education.example"


def test_a_database_that_is_away_is_said_so(services, client, clock):
    readiness(client)
    take_away(services.database)
    clock.advance(minutes=2)
    status, said = readiness(client)
    assert (status, said["status"]) == (200, "degraded")
    assert said["degraded"] == ["database", "rules"]
    assert said["oldest_outbox_entry_seconds"] is None


READ_ONLY = "ALTER DATABASE {} SET default_transaction_read_only = {}"


@pytest.mark.postgresql
def test_a_database_that_takes_no_changes_is_said_so(services, postgresql_server, postgresql_url):
    """A replica, or one that was made read-only: everything can be read, and nothing be done."""
    name = postgresql_url.rpartition("/")[2]
    postgresql_server.execute(READ_ONLY.format(name, "on"))
    database = Database(make_engine(postgresql_url))
    client = create_app(replace(services, database=database)).test_client()
    try:
        status, said = readiness(client)
        assert (status, said["degraded"][0]) == (200, "database")
        with database.reading() as session:
            [told] = [
                each for each in find_faults(session, services.now()) if each.name == "database"
            ]
        assert told.is_failure
        assert "takes no changes" in told.told
        with pytest.raises(AWAY), database.transaction() as session:
            continuity.tick(session)
    finally:
        database.engine.dispose()
    postgresql_server.execute(READ_ONLY.format(name, "off"))
    database = Database(make_engine(postgresql_url))
    client = create_app(replace(services, database=database)).test_client()
    assert "database" not in readiness(client)[1]["degraded"]
    database.engine.dispose()


def test_a_database_that_cannot_store_a_heartbeat_is_said_so(services, client):
    """As when its disk is full."""
    heart = Heartbeat(services, NodeKind.WEB)
    heart.start()
    heart.stop()
    with services.database.transaction() as session:
        session.execute(text("ALTER TABLE worker_heartbeats RENAME TO elsewhere"))
    heart.beat()
    with services.database.transaction() as session:
        session.execute(text("ALTER TABLE elsewhere RENAME TO worker_heartbeats"))
    assert readiness(client)[1]["degraded"] == ["database"]
    heart.beat()
    assert readiness(client)[1]["degraded"] == []


def test_a_process_that_never_saw_its_database_is_unready_and_lives(services, client):
    take_away(services.database)
    status, said = readiness(client)
    assert (status, said) == (503, {"status": "unready", "degraded": ["database", "rules"]})
    assert client.get("/healthz").status_code == 200
    answer = ask(client, ADDRESS)
    assert (answer.status_code, answer.json["errcode"]) == (503, "M_UNKNOWN")
    assert int(answer.headers["Retry-After"]) > 0


def test_a_database_server_that_refuses_is_no_other_case(services, clock):
    database = Database(make_engine("postgresql+psycopg://guichet@127.0.0.1:1/guichet"))
    away = replace(services, database=database, rules=RulesInForce(database, clock))
    client = create_app(away).test_client()
    assert readiness(client)[0] == 503
    assert ask(client, ADDRESS).status_code == 503
    credential = {"Authorization": "Bearer guichet_x"}
    answer = ask(client, ADDRESS, path="/internal-info", headers=credential)
    assert (answer.status_code, answer.json["errcode"]) == (503, "M_UNKNOWN")


def test_a_database_that_comes_back_is_seen(services, client, clock):
    before = ask(client, ADDRESS).json
    services.database.engine.dispose()  # the last connection brings everything into the one file
    path = Path(services.database.engine.url.database)
    kept = path.read_bytes()
    take_away(services.database)
    clock.advance(minutes=2)
    assert readiness(client)[1]["status"] == "degraded"
    path.rmdir()
    path.write_bytes(kept)
    # The rules are looked at aside while the database was away: not every answer knows at once.
    wait_for(lambda: readiness(client)[1]["status"] == "ready", what="it is ready again")
    assert ask(client, ADDRESS).json == before


def test_limits_counted_alone_are_said_so(services):
    client = create_app(replace(services, limits=LoneLimits())).test_client()
    assert not RateLimits(services.settings).degraded
    assert readiness(client)[1]["degraded"] == ["limits"]


@pytest.mark.parametrize(
    ("waited", "degraded"), [({"minutes": 10}, []), ({"minutes": 11}, ["outbox"])]
)
def test_work_that_waits_too_long_is_said_so(services, client, clock, waited, degraded):
    with services.database.transaction() as session:
        outbox.enqueue(session, JobKind.MAIL, uuid.uuid4(), clock(), lane=Lane.BULK)
    clock.advance(**waited)
    with services.database.transaction() as session:
        outbox.enqueue(session, JobKind.MAIL, uuid.uuid4(), clock(), lane=Lane.URGENT)
    said = readiness(client)[1]
    assert said["degraded"] == degraded
    assert said["oldest_outbox_entry_seconds"] == timedelta(**waited).total_seconds()


def test_work_that_is_done_waits_no_longer(services, client, clock):
    with services.database.transaction() as session:
        outbox.enqueue(session, JobKind.MAIL, uuid.uuid4(), clock(), lane=Lane.URGENT)
    clock.advance(hours=1)
    with services.database.transaction() as session:
        leases.settle(session, leases.lease_next(session, clock(), Lane.URGENT), clock())
    assert readiness(client)[1]["status"] == "ready"


def test_info_asks_the_database_for_nothing_but_the_rules(decided):
    """The rules come by value here: whatever else were asked would end in a 503."""
    client = create_app(decided).test_client()
    take_away(decided.database)
    assert ask(client, ADDRESS).status_code == 200
    assert ask(client, "gil@asso.example").status_code == 200
