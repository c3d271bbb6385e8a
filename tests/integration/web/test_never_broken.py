"""Whatever is sent, to every path, in every field: an answer that names the fault, never that we broke."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from urllib.parse import quote

import pytest
from sqlalchemy import update

from identity.app import create_app
from identity.core.rate_limits import RateLimits
from identity.settings import Settings
from identity.sign_up.models import State, VerificationRequest
from identity.synapse_api import reports as module_reports
from identity.threepids import accounts as identity_accounts
from tests.worlds.api import *
from tests.worlds.hostile_requests import (
    CAMILLE,
    FIRST,
    FORMS,
    HEADERS,
    HOSTILE,
    NAMES,
    PARAMETERS,
    PLAUSIBLE,
    QUERIES,
    VALUES,
)

from .test_openapi import DOCUMENTS

REPORT_ID = "7d444840-9dc0-11d1-b245-5ffdce74fad2"
# Words of our code, of its language or of its libraries.
OURS = re.compile(
    r"pydantic|https?://|function-|\b(?:int|str|bool|float|NoneType|dict|valid list|Body|RequestToken|SubmitToken"
    r"|StoreInvite|OpenId|ThirdPartyId|Acceptance|Association|Lookup|Bind|Unbind|NewList|ForSender)\b"
)


@pytest.fixture(params=["some", pytest.param("all", marks=pytest.mark.long)])
def is_long(request) -> bool:
    """Whether there is time for everything."""
    return request.param == "all"


@pytest.fixture
def hostile(is_long) -> list[str]:
    """Values, as JSON writes them."""
    return [value for name, value in HOSTILE.items() if is_long or name in FIRST]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database_url(request) -> str:
    """What one database takes may be too much for the other."""
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture
def served(services, tmp_path):
    unlimited = Settings(
        _env_file=None,
        data_dir=tmp_path,
        secret_keys="a-key-for-the-tests-that-is-long-enough",
        limits="off",
        lookup_algorithms="sha256,none",
    )
    return replace(services, settings=unlimited, limits=RateLimits(unlimited))


@pytest.fixture
def client(served):
    return create_app(served).test_client()


@pytest.fixture
def bearers(served, clock, credential) -> dict[str, dict[str, str]]:
    with served.database.transaction() as session:
        token = identity_accounts.register(session, clock(), user_id=CAMILLE)
    return {"token": {"Authorization": f"Bearer {token}"}, "credential": credential}


def operations(method: str) -> Iterator[tuple[str, dict]]:
    for document in DOCUMENTS.values():
        for path, methods in document["paths"].items():
            if method in methods:
                yield path, methods[method]


def kind_of_bearer(operation: dict) -> str:
    wanted = {name for each in operation.get("security", []) for name in each}
    return "token" if "token" in wanted else "credential"


def fields_of(operation: dict) -> list[str]:
    body = operation.get("requestBody", {})
    schema = body.get("content", {}).get("application/json", {}).get("schema", {})
    return list(schema.get("properties", {}))


def whole(path: str) -> str:
    return re.sub(r"\{[^}]+\}", REPORT_ID, path)


def is_answered(answer) -> bool:
    """Below 500 (503: a homeserver that is not there), as Matrix words it, without words of our code."""
    if answer.status_code == 503:
        return answer.json["errcode"] == "M_UNKNOWN"
    if answer.status_code >= 500:
        return False
    if answer.status_code >= 400:
        assert set(answer.json) >= {"errcode", "error"}
        assert len(answer.json["error"]) < 300
        assert not OURS.search(answer.json["error"]), answer.json
    return True


def test_every_operation_that_is_served_is_asked(client):
    served = {
        re.sub(r"<[^>]+>", "{}", rule.rule) for rule in client.application.url_map.iter_rules()
    }
    described = {
        re.sub(r"\{[^}]+\}", "{}", path)
        for method in ("get", "post")
        for path, _ in operations(method)
    }
    # What operators' programs ask is tried in test_admin_openapi.py.
    asked_by = ("/_matrix/identity/v2", "/api/homeserver")
    programs = {each for each in served if each.startswith(asked_by)}
    phones = {each for each in programs if "/msisdn/" in each}
    assert {each.rstrip("/") for each in programs - phones} <= {
        each.rstrip("/") for each in described
    }


def test_no_field_of_a_body_breaks_anything(client, bearers, hostile):
    asked = 0
    for path, operation in operations("post"):
        headers = bearers[kind_of_bearer(operation)]
        fields = fields_of(operation)
        for field, value in product(fields, hostile):
            given = [
                f'"{each}": {value if each == field else json.dumps(PLAUSIBLE.get(each, "x"))}'
                for each in fields
            ]
            answer = client.post(whole(path), data="{" + ", ".join(given) + "}", headers=headers)
            assert is_answered(answer), (path, field, value[:80], answer.data[:300])
            asked += 1
    assert asked > 40 * len(hostile)


def test_no_body_breaks_anything(client, bearers, hostile):
    for (path, operation), value in product(operations("post"), hostile):
        headers = bearers[kind_of_bearer(operation)]
        for body in (
            value,
            f"{{{HOSTILE['NUL']}: {value}}}",
            f'{{"a": 1, "a": {value}, "\\ud800": 1}}',
            b"\xff" + value.encode(),
        ):
            answer = client.post(whole(path), data=body, headers=headers)
            assert is_answered(answer), (path, value[:80], answer.data[:300])


def reported(client, bearers, **facts: str):
    """`facts` are written as JSON already."""
    given = ", ".join(f'"{name}": {value}' for name, value in facts.items())
    body = f'{{"reports": [{{{given}}}]}}'
    return client.post("/api/homeserver/v1/reports", data=body, headers=bearers["credential"])


def test_no_field_of_a_report_breaks_anything(client, bearers, hostile):
    good = {
        "user_id": CAMILLE,
        "room_id": "!r:x",
        "by": CAMILLE,
        "token": "t",
        "address": "a@b.example",
        "refusals": [{"user_id": CAMILLE, "reason": "r", "count": 1, "last_at": 1}],
    }
    fields = ["id", "kind", *good, "at_ms", "further"]
    tried = product([*module_reports.KINDS, "unheard of"], fields, hostile)
    for number, (kind, field, value) in enumerate(tried):
        facts = {"id": f"7d444840-9dc0-11d1-b245-{number:012x}", "kind": kind, **good}
        facts = {name: json.dumps(said) for name, said in facts.items()} | {field: value}
        answer = reported(client, bearers, **facts)
        assert is_answered(answer), (kind, field, value[:80], answer.data[:300])


def test_no_field_of_a_refusal_breaks_anything(client, bearers, hostile):
    tried = product(["user_id", "reason", "count", "last_at"], hostile)
    for number, (field, value) in enumerate(tried):
        refusal = {"user_id": CAMILLE, "reason": "r", "count": 1, "last_at": 1}
        facts = {name: json.dumps(said) for name, said in refusal.items()} | {field: value}
        answer = reported(
            client,
            bearers,
            id=f'"7d444840-9dc0-11d1-b246-{number:012x}"',
            kind='"refusals"',
            refusals="[{" + ", ".join(f'"{name}": {said}' for name, said in facts.items()) + "}]",
        )
        assert is_answered(answer), (field, value[:80], answer.data[:300])


def paths(client) -> list[str]:
    return [
        re.sub(r"<[^>]+>", "{}", rule.rule)
        for rule in client.application.url_map.iter_rules()
        if "GET" in rule.methods and rule.endpoint != "pages.unknown_path"
    ]


def test_no_query_and_no_path_breaks_anything(client, bearers, is_long):
    beside = {"sender": CAMILLE, "since": "0", "medium": "email", "sid": "0", "client_secret": "s"}
    asked = paths(client)
    assert len(asked) > 30
    for path, value in product(asked, QUERIES if is_long else QUERIES[:4]):
        headers = bearers["token" if "/v2/" in path else "credential"]
        place = path.replace("{}", REPORT_ID)
        urls = [
            path.replace("{}", value[:500]),
            f"{place}?" + "&".join(f"{n}={value}" for n in PARAMETERS),
        ]
        if is_long or "{}" in path or path.startswith(("/_matrix", "/api")):
            for name in PARAMETERS:
                others = "".join(f"&{each}={said}" for each, said in beside.items() if each != name)
                urls.append(f"{place}?{name}={value}{others}")
        for url in urls:
            answer = client.get(url, headers=headers)
            assert answer.status_code < 500, (url[:200], answer.data[:300])


def test_no_header_breaks_anything(client, is_long):
    looked_at = ["/start", "/_matrix/identity/api/v1/info?address=a@ac-rouen.example"]
    if is_long:
        looked_at += [
            "/",
            "/my-server?q=a@ac-rouen.example",
            "/check/1",
            "/healthz",
            "/readyz",
            "/i/x",
            "/v/x",
        ]
        looked_at += ["/_matrix/identity/v2/account", "/api/homeserver/v1/agents?since=0"]
    posted = ["/start", "/_matrix/identity/v2/3pid/unbind"]
    for header, value in product(HEADERS, VALUES):
        for path in looked_at:
            answer = client.get(path, headers={header: value})
            assert answer.status_code < 500, (path, header, value[:80], answer.data[:300])
        for path in posted:
            answer = client.post(path, data=b"{}", headers={header: value})
            assert answer.status_code < 500, (path, header, value[:80], answer.data[:300])


def test_no_field_of_a_form_breaks_anything(client, served, is_long):
    token = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/start").text)[1]
    ours = {"csrf_token": token}
    answer = client.post("/start", data={**ours, "email": "camille.durand@ac-rouen.example"})
    assert answer.status_code == 303, answer.data
    forms = [
        re.sub(r"<[^>]+>", "1", rule.rule)
        for rule in client.application.url_map.iter_rules()
        if "POST" in rule.methods and rule.endpoint.startswith("pages.")
    ]
    assert len(forms) > 10
    for state, typed in product((State.OPEN, State.CONFIRMED), FORMS if is_long else FORMS[:6]):
        wire = typed.encode(errors="surrogatepass")
        with served.database.transaction() as session:
            session.execute(
                update(VerificationRequest).values(state=state, confirmed_at=served.now())
            )
        for path in forms:
            filled = [{name: wire} for name in NAMES] if is_long else []
            for fields in (dict.fromkeys(NAMES, wire), *filled):
                answer = client.post(path, data={**ours, **fields})
                assert answer.status_code < 500, (path, fields, answer.data[:500])
            name = quote(wire)[:900]
            answer = client.post(
                path,
                data=f"csrf_token={quote(token)}&{name}={name}",
                content_type="application/x-www-form-urlencoded",
            )
            assert answer.status_code < 500, (path, name, answer.data[:500])


@pytest.mark.parametrize("number", ["0", "2147483648", "9223372036854775808", "9" * 400, "-1", "٣"])
def test_no_number_in_a_path_breaks_anything(client, number):
    token = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/start").text)[1]
    client.post("/start", data={"csrf_token": token, "email": "camille.durand@ac-rouen.example"})
    for path in ("/check/{}", "/account/{}", "/account/{}/done"):
        assert client.get(path.format(number)).status_code == 404
