"""docs/openapi says what is served, and nothing that it allows or forbids brings the service down."""

import re
from dataclasses import replace
from pathlib import Path

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
from identity.settings import Settings
from identity.threepids import accounts as identity_accounts
from tests.worlds.api import *

FOLDER = Path(__file__).parents[3] / "docs/openapi"
PREFIXES = {"identity": "/_matrix/identity", "homeserver": "/api/homeserver"}
DOCUMENTS = {
    name: yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8")) for name in PREFIXES
}
OPERATIONS = {
    found.ok().definition.raw["operationId"]: found.ok()
    for document in DOCUMENTS.values()
    for found in schemathesis.openapi.from_dict(document).get_all_operations()
}
CHECKS = [
    not_a_server_error,
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
]


def takes_data(operation) -> bool:
    """Whether anything can be sent that the document does not allow. Any text may stand in a path."""
    raw = operation.definition.raw
    return "requestBody" in raw or ("pubkey" not in raw["operationId"] and "parameters" in raw)


@pytest.fixture
def app(services, tmp_path):
    """The service with nothing to slow it down; both kinds of bearer are good."""
    unlimited = Settings(
        _env_file=None,
        data_dir=tmp_path,
        secret_keys="a-key-for-the-tests-that-is-long-enough",
        limits="off",
    )
    return create_app(
        replace(services, settings=unlimited, limits=type(services.limits)(unlimited))
    )


@pytest.fixture
def bearers(services, clock, credential):
    """Of a Matrix user, of a homeserver, and of nobody."""
    with services.database.transaction() as session:
        token = identity_accounts.register(session, clock(), user_id="@zoe:education.example")
    return [{"Authorization": f"Bearer {token}"}, credential, {}]


@pytest.mark.parametrize(("name", "prefix"), PREFIXES.items())
def test_the_document_names_what_is_served_and_nothing_else(app, name, prefix):
    served = {
        (re.sub(r"<[^>]+>", "{}", str(rule)), method.lower())
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"OPTIONS", "HEAD"}
        if str(rule).startswith(prefix)
    }
    named = {
        (re.sub(r"\{[^}]+\}", "{}", path), method)
        for path, methods in DOCUMENTS[name]["paths"].items()
        for method in methods
    }
    assert named == served


@pytest.mark.parametrize("name", OPERATIONS)
def test_whatever_fits_the_document_is_answered_as_it_says(app, bearers, name):
    check_answers(app, bearers, name, GenerationMode.POSITIVE)


@pytest.mark.parametrize("name", [name for name, each in OPERATIONS.items() if takes_data(each)])
def test_whatever_does_not_fit_is_refused_as_it_says(app, bearers, name):
    check_answers(app, bearers, name, GenerationMode.NEGATIVE)


def check_answers(app, bearers, name, mode):
    operation = OPERATIONS[name]
    operation.schema.app = app

    @given(case=operation.as_strategy(generation_mode=mode))
    @drawing(
        max_examples=12,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    def ask(case):
        for bearer in bearers:
            case.headers = {**(case.headers or {}), **bearer}
            case.call_and_validate(checks=CHECKS, app=app)

    ask()
