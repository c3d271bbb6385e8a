"""A token is asked for once in two seconds, refused at once on the node where it ended, and soon elsewhere."""

from dataclasses import replace

import pytest
import requests
from sqlalchemy import text

from identity.app import create_app
from identity.core.clock import utc_now
from identity.core.database import Database, make_engine
from identity.core.node_epoch import LASTS, NodeEpoch, ShortMemory
from identity.homeservers.models import Homeserver
from identity.threepids import accounts
from identity.threepids.terms import Policy, Terms, Text
from identity.web.matrix_guards import CALLERS
from tests.services.databases import *
from tests.services.keys import KEYS
from tests.worlds.api import *
from tests.worlds.programs import CAMILLE, V2, Program, refused
from tests.worlds.statements import statements

NAME = "education.example"
URL = "https://guichet.example/terms"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database_url(request) -> str:
    """Both: the statements are written for each."""
    return request.getfixturevalue(f"{request.param}_url")


class Seconds:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def process(decided, tmp_path, seconds):
    """A web process of a node, which is named by its data folder."""

    def start(node: str = "here", terms: Terms = decided.terms) -> Program:
        (tmp_path / node).mkdir(exist_ok=True)
        epoch = NodeEpoch(tmp_path / node / "epoch")
        epoch.read()
        database = Database(decided.database.engine, epoch=epoch)
        services = replace(decided, database=database, terms=terms)
        app = create_app(services)
        app.extensions[CALLERS] = ShortMemory(epoch, clock=seconds)
        return Program(app.test_client(), services, token="none yet")

    return start


@pytest.fixture
def token(decided) -> str:
    with decided.database.transaction() as session:
        session.get_one(Homeserver, NAME).class_source = "agent"
        return accounts.register(session, decided.now(), user_id=CAMILLE)


def signed_in(process, token: str) -> Program:
    return replace(process, token=token)


def asked(program: Program, method: str = "get", *request: object, **facts: object) -> list[str]:
    """The statements that an answer takes."""
    with statements(program.services.database.engine) as sent:
        assert getattr(program, method)(*request, **facts).status_code == 200
    return [statement for statement, _ in sent if statement not in {"BEGIN", "BEGIN IMMEDIATE"}]


def test_hash_details_is_one_statement_and_then_none(process, token):
    camille = signed_in(process(), token)
    first = asked(camille, "get", "/hash_details")
    assert [len(first), *(len(asked(camille, "get", "/hash_details")) for _ in range(3))] == [
        1,
        0,
        0,
        0,
    ]


def test_a_lookup_is_one_statement_more_whatever_its_size(process, token):
    camille = signed_in(process(), token)
    pepper = camille.get("/hash_details").json["lookup_pepper"]
    facts = {"algorithm": "sha256", "pepper": pepper}
    sent = {
        tuple(asked(camille, "post", "/lookup", **facts, addresses=list(map(str, range(count)))))
        for count in (0, 1, 100, 1000)
    }
    assert [len(each) for each in sent] == [1], "the same text, so that it is compiled once"


def test_a_token_that_ended_is_refused_at_once_in_each_process_of_its_node(process, token):
    here, beside = (signed_in(process(), token) for _ in range(2))
    assert (here.get("/account").status_code, beside.get("/account").status_code) == (200, 200)
    assert here.post("/account/logout").status_code == 200
    for each in (here, beside):
        assert refused(each.get("/account")) == (401, "M_UNAUTHORIZED")


def test_elsewhere_it_is_refused_within_two_seconds(process, token, seconds):
    here, elsewhere = signed_in(process(), token), signed_in(process("elsewhere"), token)
    assert elsewhere.get("/account").status_code == 200
    here.post("/account/logout")
    seconds.now += LASTS - 0.01
    assert elsewhere.get("/account").status_code == 200
    seconds.now += 0.01
    assert refused(elsewhere.get("/account")) == (401, "M_UNAUTHORIZED")


@pytest.mark.parametrize(
    ("path", "facts"),
    [
        ("/3pid/bind", {"sid": "none", "client_secret": "monkeys"}),
        ("/3pid/unbind", {"threepid": {"medium": "email", "address": "camille@education.example"}}),
    ],
)
def test_what_ended_elsewhere_changes_no_association(process, token, path, facts):
    """It would outlast the two seconds, and lookups would find an account that ended."""
    here, elsewhere = signed_in(process(), token), signed_in(process("elsewhere"), token)
    assert elsewhere.get("/account").status_code == 200
    here.post("/account/logout")
    answer = elsewhere.post(path, **facts, mxid=CAMILLE)
    assert refused(answer) == (401, "M_UNAUTHORIZED")


def test_a_homeserver_that_is_suspended_is_refused_at_once_and_taken_again_at_once(process, token):
    camille = signed_in(process(), token)
    assert camille.get("/account").status_code == 200
    database, now = camille.services.database, camille.services.now()
    with database.transaction() as session:
        session.get_one(Homeserver, NAME).suspended_at = now
    assert camille.get("/account").status_code == 403
    with database.transaction() as session:
        session.get_one(Homeserver, NAME).suspended_at = None
    assert camille.get("/account").status_code == 200


def test_a_remembered_token_ends_by_time_to_the_moment(process, token, clock):
    camille = signed_in(process(), token)
    assert camille.get("/account").status_code == 200
    clock.advance(days=90)
    assert refused(camille.get("/account")) == (401, "M_UNAUTHORIZED")


def test_a_use_in_the_last_second_counts_at_once(process, token, clock):
    camille = signed_in(process(), token)
    clock.advance(days=90, seconds=-1)
    assert camille.get("/account").status_code == 200
    clock.advance(seconds=1)
    assert camille.get("/account").status_code == 200


def test_terms_count_from_the_moment_they_are_accepted_on_any_node(process, token):
    terms = Terms({"privacy": Policy("1", {"fr": Text("Confidentialité", URL)})})
    here = signed_in(process(terms=terms), token)
    elsewhere = signed_in(process("elsewhere", terms), token)
    for each in (here, elsewhere):
        assert refused(each.get("/account")) == (403, "M_TERMS_NOT_SIGNED")
    assert here.post("/terms", user_accepts=[URL]).status_code == 200
    assert (here.get("/account").status_code, elsewhere.get("/account").status_code) == (200, 200)


def test_a_database_that_is_away_lengthens_nothing(process, token, seconds, tmp_path):
    camille = signed_in(process(), token)
    assert camille.get("/account").status_code == 200
    away = create_app(
        replace(
            camille.services,
            database=Database(make_engine(f"sqlite:///{tmp_path / 'gone' / 'x.db'}")),
        )
    )
    away.extensions[CALLERS] = camille.client.application.extensions[CALLERS]
    camille = replace(camille, client=away.test_client())
    seconds.now += LASTS - 0.01
    assert camille.get("/account").status_code == 200
    seconds.now += 0.01
    assert camille.get("/account").status_code == 503


@pytest.mark.postgresql
def test_a_broken_connection_is_replaced_and_the_question_asked_again(postgresql_url):
    database = Database(make_engine(postgresql_url))

    def who(connection):
        return connection.scalar(text("select pg_backend_pid()"))

    def cut_off(pid):
        database_beside = make_engine(postgresql_url)
        with database_beside.begin() as connection:
            connection.execute(text("select pg_terminate_backend(:pid, 5000)"), {"pid": pid})
        database_beside.dispose()

    first = database.ask(who)
    assert database.ask(who) == first, "the pool keeps it"
    cut_off(first)
    second = database.ask(who)
    assert second != first
    cut_off(second)
    with database.transaction() as session:  # is tried first: a change cannot be repeated
        assert who(session.connection()) not in {first, second}
    database.engine.dispose()


@pytest.mark.processes
def test_two_processes_and_a_command_over_http(guichet_processes, empty_sqlite_url):
    env = {
        **KEYS,
        "GUICHET_DATABASE_URL": empty_sqlite_url,
        "GUICHET_PUBLIC_URL": "http://127.0.0.1:8090",
    }
    guichet = guichet_processes.guichet
    guichet("db", "upgrade", env=env)
    guichet("homeserver", "add", NAME, "--url", "http://127.0.0.1:1", "--label", NAME, env=env)
    database = Database(make_engine(empty_sqlite_url))
    with database.transaction() as session:
        ending, staying = (accounts.register(session, utc_now(), user_id=CAMILLE) for _ in range(2))
    database.engine.dispose()
    webs = [guichet_processes.web(env) for _ in range(2)]

    def ask(web, token, path="/account", method="GET"):
        headers = {"Authorization": f"Bearer {token}"}
        return requests.request(
            method, web.url + V2 + path, headers=headers, timeout=30
        ).status_code

    # Twice: the first question makes the file that they share.
    assert {ask(web, token) for _ in range(2) for web in webs for token in (ending, staying)} == {
        200
    }
    assert ask(webs[0], ending, "/account/logout", "POST") == 200
    assert [ask(web, ending) for web in webs] == [401, 401]
    assert [ask(web, staying) for web in webs] == [200, 200]
    guichet("homeserver", "suspend", NAME, "--reason", "tests", env=env)
    assert [ask(web, staying) for web in webs] == [403, 403]
