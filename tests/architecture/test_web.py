"""What holds for every blueprint, every route and every problem."""

import ast
import inspect
import textwrap
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import func, select

from identity import problems
from identity.app import create_app
from identity.core.database import Base
from identity.services import build_services
from identity.settings import read_settings
from identity.web import api_errors as http_errors, page_errors
from tests.services.keys import PUBLIC_HALF

LOOKING = {"GET", "HEAD", "OPTIONS"}
# The specification wants this one to prove an address by being opened; our own mails do not carry it.
CHANGES_BY_SPECIFICATION = {"pages.submit_by_link"}


@pytest.fixture
def services(sqlite_url, tmp_path):
    keys = {
        "secret_keys": "a-key-for-the-links-of-all-the-tests",
        "storage_keys": "a-key-for-what-is-stored-in-the-tests",
        "homeserver_public_key": PUBLIC_HALF.text,
    }
    made = build_services(
        read_settings(data_dir=tmp_path, database_url=sqlite_url, _env_file=None, **keys)
    )
    yield made
    made.database.engine.dispose()


@pytest.fixture(params=["public", "internal"])
def app(services, request) -> Flask:
    return create_app(services, listener=request.param)


def every_kind(kind: type[problems.Problem]) -> set[type[problems.Problem]]:
    return {kind for child in kind.__subclasses__() for kind in ({child} | every_kind(child))}


PROBLEMS = {kind for kind in every_kind(problems.Problem) if kind.__module__ == "identity.problems"}


def test_every_blueprint_names_its_guard(app):
    assert app.blueprints
    for blueprint in app.blueprints.values():
        before = blueprint.before_request_funcs.get(None, [])
        guards = [f for f in before if f.__module__.endswith("guards") or f.__name__ == "guard"]
        assert guards, blueprint.name


def test_every_route_belongs_to_a_blueprint(app):
    assert not [rule.rule for rule in app.url_map.iter_rules() if "." not in rule.endpoint]


def test_a_view_that_changes_something_answers_no_get(app):
    """Who may open a writing transaction takes POST, PUT or DELETE, and nothing else."""
    for rule in app.url_map.iter_rules():
        if rule.methods & {"GET"} and rule.endpoint not in CHANGES_BY_SPECIFICATION:
            assert not opens_a_writing_transaction(app.view_functions[rule.endpoint]), rule.rule


# Whoever writes the Host header chooses what these say; links begin with the public URL.
OF_THE_HOST_HEADER = {"host", "host_url", "url", "url_root", "root_url", "base_url", "full_path"}


def test_nothing_is_made_of_the_host_header_and_no_query_names_our_arguments():
    found = []
    for path in sorted((Path(__file__).parents[2] / "identity").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "request":
                found += [f"{path.name}: {node.attr}"] if node.attr in OF_THE_HOST_HEADER else []
            if isinstance(node, ast.keyword):
                spread = node.arg is None and "request." in ast.unparse(node.value)
                found += [f"{path.name}: {ast.unparse(node)}"] * (spread or node.arg == "_external")
    assert not found


def opens_a_writing_transaction(view) -> bool:
    tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(view))))
    return any(
        isinstance(node, ast.Attribute) and node.attr == "transaction" for node in ast.walk(tree)
    )


@pytest.mark.parametrize("method", sorted(LOOKING))
def test_looking_at_every_address_leaves_every_table_as_it_was(services, app, method):
    client = app.test_client()
    before = rows(services.database)
    for rule in app.url_map.iter_rules():
        path = rule.rule.replace("<int:", "<").replace("<path:", "<")
        answer = client.open(
            "/".join("1" if "<" in part else part for part in path.split("/")), method=method
        )
        assert answer.status_code < 500, f"{method} {rule.rule}: {answer.status}"
    assert rows(services.database) == before


def rows(database) -> dict[str, int]:
    with database.reading() as session:
        return {
            table.name: session.scalar(select(func.count()).select_from(table))
            for table in Base.metadata.sorted_tables
        }


def test_every_problem_has_a_status_and_a_matrix_code():
    assert set(http_errors.ANSWERS) >= PROBLEMS
    assert all(
        code.startswith("M_") or "." in code for _status, code in http_errors.ANSWERS.values()
    )


def test_every_problem_has_a_sentence_for_people():
    """Limits have a page of their own; these meet nobody but operators and programs."""
    for_operators = {
        problems.BaseMoved,
        problems.MovesAccounts,
        problems.NoSuchRevision,
        problems.NotRestoring,
        problems.UnknownHomeserver,
        problems.WrongOperator,
    }
    for_programs = {
        problems.NoValidSession,
        problems.SessionExpired,
        problems.SessionNotValidated,
        problems.WrongCode,
        problems.NotYourself,
        problems.NotAllowed,
        problems.InvitationsPaused,
        problems.NoSuchInvitation,
        problems.InvitationOver,
        problems.InvitationHeld,
        problems.UnknownMedium,
        problems.UnknownInvitation,
        problems.AddressBound,
        problems.WrongServer,
        problems.UnreadableBody,
        problems.SignedOut,
        problems.TermsNotSigned,
        problems.TooMuchAtOnce,
        problems.WrongPepper,
        problems.KeyUnknown,
        problems.NotOfFederation,
        problems.OpenIdRefused,
        problems.WrongOwner,
        problems.HomeserverSilent,
        problems.HomeserverBusy,
        problems.TokenNeeded,
        problems.RoleNeeded,
        problems.ScopeNeeded,
        problems.SecondFactorNeeded,
        problems.NothingHere,
        problems.ReasonNeeded,
        problems.VersionNeeded,
        problems.NothingToDo,
        problems.KeyReused,
    }
    limits = {problems.TooManyRequests, *every_kind(problems.TooManyRequests)}
    assert set(page_errors.ADVICE) >= PROBLEMS - for_operators - for_programs - limits


def test_every_problem_says_what_is_wrong():
    assert len(PROBLEMS) > 5
    assert not [
        kind.__name__ for kind in PROBLEMS if not (kind.__doc__ or "").strip().endswith(".")
    ]
