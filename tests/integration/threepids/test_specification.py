"""Against the specification's own files, where MATRIX_SPECIFICATION names their folder: nothing of them is missing."""

import os
from pathlib import Path

import pytest
import yaml

from tests.integration.web.test_openapi import DOCUMENTS
from tests.worlds.api import *

RAW = DOCUMENTS["identity"]
FOLDER = os.environ.get("MATRIX_SPECIFICATION")
V2 = "/_matrix/identity/v2"
NAMES = {"get", "post", "put", "delete"}


def files() -> dict[str, dict]:
    found = Path(FOLDER).glob("*.yaml") if FOLDER else ()
    return {path.name: yaml.safe_load(path.read_text(encoding="utf-8")) for path in found}


def operations():
    """File and operation of every one of them; phones are refused, and so not compared."""
    for name, document in files().items():
        base = document["servers"][0]["variables"]["basePath"]["default"]
        for path, methods in document["paths"].items():
            for method in NAMES & set(methods):
                if "phone" not in name:
                    yield pytest.param(
                        f"{base}{path}", methods[method], method, id=f"{method} {path}"
                    )


def resolved(part: dict) -> dict:
    """Our own document's references lead to itself."""
    while "$ref" in part:
        found = RAW
        for name in part["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        part = found
    return part


def schema_of(content: dict) -> dict:
    return resolved(resolved(content)["content"]["application/json"]["schema"])


def ours(path: str, method: str) -> dict:
    served = {each.replace("{keyId}", "{}"): methods for each, methods in RAW["paths"].items()}
    return served[path.replace("{keyId}", "{}").rstrip("/")][method]


@pytest.mark.parametrize(("path", "theirs", "method"), list(operations()))
def test_every_operation_gives_the_fields_that_the_specification_promises(path, theirs, method):
    found = ours(path, method)
    answer = theirs["responses"].get("200", {}).get("content", {}).get("application/json")
    if answer is None or "text/html" in found["responses"]["200"].get("content", {}):
        assert "200" in found["responses"]
        return
    required = set(answer["schema"].get("required", ()))
    assert required <= set(schema_of(found["responses"]["200"]).get("required", ()))


@pytest.mark.parametrize(("path", "theirs", "method"), list(operations()))
def test_no_operation_asks_for_more_than_the_specification_does(path, theirs, method):
    found = ours(path, method)
    if "requestBody" not in found:
        return
    schema = theirs["requestBody"]["content"]["application/json"]["schema"]
    if "$ref" in schema or "allOf" in schema:  # in another file: looked at where it is taken apart
        assert path.endswith(("requestToken", "account/register"))
        return
    assert set(schema_of(found["requestBody"])["required"]) <= set(schema["required"])
