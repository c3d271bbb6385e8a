"""docs/openapi/admin.yaml says what is served; what it allows or forbids is answered as it says."""

import re
from pathlib import Path

import jsonschema_rs
import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, given, settings as drawing
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from identity.app import create_app
from identity.console.api.guards import ROUTES
from identity.operators.roles import Role
from tests.worlds.admin_api import *

FILE = Path(__file__).parents[3] / "docs/openapi/admin.yaml"
DOCUMENT = yaml.safe_load(FILE.read_text(encoding="utf-8"))
OPERATIONS = {
    found.ok().definition.raw["operationId"]: found.ok()
    for found in schemathesis.openapi.from_dict(DOCUMENT).get_all_operations()
}
REFUSED = {name for name, each in OPERATIONS.items() if "refused" in each.definition.raw["summary"]}
CHECKS = [
    not_a_server_error,
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
]
EXAMPLES = 3  # of each mode and operation


def takes_data(operation) -> bool:
    """Whether anything can be sent that the document does not allow. Any text may stand in a path."""
    raw = operation.definition.raw
    named = [each for each in raw.get("parameters", ()) if each["in"] != "path"]
    return "requestBody" in raw or bool(named)


@pytest.fixture
def database_url(request):
    """What fits is tried on one database, what does not on the other, which refuses more."""
    return request.getfixturevalue(getattr(request, "param", "sqlite_url"))


@pytest.fixture
def app(services):
    """The trial installation answers its own machine, and the transport here names no caller."""
    made = create_app(services)
    served = made.wsgi_app
    made.wsgi_app = lambda environ, start: served(environ | {"REMOTE_ADDR": "127.0.0.1"}, start)
    return made


@pytest.fixture
def callers(program, app):
    """One that may do everything a token may, and one that may do nothing here."""
    return [program(*(set(Role) - {Role.AUDITOR})), Program(app)]


@pytest.fixture
def things(callers):
    """Something of each kind, so that there is an answer to give."""
    rule = {"kind": "domain", "pattern": "asso.example", "homeserver": EDUCATION}
    callers[0].post("/changes", {"title": "open asso", "put": [rule]})


def test_the_document_names_what_is_served_and_nothing_else(app):
    served = {
        (re.sub(r"<[^>]+>", "{}", str(rule)), method.lower())
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"OPTIONS", "HEAD"}
        if str(rule).startswith(PREFIX)
    }
    named = {
        (re.sub(r"\{[^}]+\}", "{}", path), method)
        for path, methods in DOCUMENT["paths"].items()
        for method in methods
    }
    assert named == served


def test_the_document_names_the_parameters_that_are_taken_and_no_others(app):
    """Any other is refused: with a typing error a filter would let everything through."""
    taken = {
        name.removeprefix("admin_api."): route.query
        for (name, _method), route in ROUTES.items()
        if route.query
    }
    named = {}
    for each in OPERATIONS.values():
        raw = each.definition.raw
        query = {given["name"] for given in raw.get("parameters", ()) if given["in"] == "query"}
        if query:
            rule = re.sub(r"\{[^}]+\}", "{}", each.path)
            named[rule] = query
    served = {
        re.sub(r"<[^>]+>", "{}", str(rule)): taken[rule.endpoint.removeprefix("admin_api.")]
        for rule in app.url_map.iter_rules()
        if rule.endpoint.removeprefix("admin_api.") in taken and str(rule).startswith(PREFIX)
    }
    assert named == served


def nodes(found, where=""):
    """Every object in the document, with where it stands."""
    if isinstance(found, dict):
        yield where, found
    for name, each in found.items() if isinstance(found, dict) else enumerate(found):
        if isinstance(each, dict | list):
            yield from nodes(each, f"{where}/{name}")


def test_every_field_that_is_always_there_has_a_type():
    bare = {
        where: missing
        for where, each in nodes(DOCUMENT)
        if isinstance(each.get("required"), list)
        and (missing := set(each["required"]) - set(each.get("properties", ())))
    }
    assert bare == {}


def test_examples_are_what_they_show():
    """Of bodies and of answers, each checked against its schema."""
    shown = [
        (where, each["example"], each["schema"])
        for where, each in nodes(DOCUMENT)
        if "example" in each
    ]
    shown += [
        (where, example, each)
        for where, each in nodes(DOCUMENT)
        if isinstance(each.get("examples"), list)
        for example in each["examples"]
    ]
    assert len(shown) > 10
    for where, example, schema in shown:
        whole = {**schema, "components": DOCUMENT["components"]}
        assert jsonschema_rs.is_valid(whole, example), where


def test_it_is_served_as_json_to_whoever_asks(stranger):
    answer = stranger.get("/openapi.json")
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    assert answer.json == DOCUMENT


def test_no_answer_is_left_open():
    """A default would make every status a documented one."""
    assert not [
        name for name, each in OPERATIONS.items() if "default" in each.definition.raw["responses"]
    ]


@pytest.mark.parametrize("name", sorted(OPERATIONS.keys() - REFUSED))
def test_whatever_fits_the_document_is_answered_as_it_says(app, callers, things, name):
    seen = check_answers(app, callers, name, GenerationMode.POSITIVE)
    assert 401 in seen or name == "openapi"
    assert 403 not in seen
    if "{" not in OPERATIONS[name].path and "get" in OPERATIONS[name].method:
        assert 200 in seen


@pytest.mark.parametrize(
    "database_url",
    [pytest.param("postgresql_url", marks=pytest.mark.postgresql)],
    indirect=True,
)
@pytest.mark.parametrize("name", sorted(n for n, each in OPERATIONS.items() if takes_data(each)))
def test_whatever_does_not_fit_is_refused_as_it_says(app, callers, things, name):
    seen = check_answers(app, callers, name, GenerationMode.NEGATIVE)
    assert seen


def check_answers(app, callers, name, mode) -> set[int]:
    """Call it with what is drawn, as each caller; every answer is checked, and its status told."""
    operation, seen = OPERATIONS[name], set()
    operation.schema.app = app

    @given(case=operation.as_strategy(generation_mode=mode))
    @drawing(max_examples=EXAMPLES, derandomize=True, suppress_health_check=list(HealthCheck))
    def ask(case):
        for caller in callers:
            headers = {**(case.headers or {})}
            headers.pop("Authorization", None)
            case.headers = headers | caller.headers
            seen.add(case.call_and_validate(checks=CHECKS, app=app).status_code)

    ask()
    return seen
