"""/3pid/bind and /3pid/unbind as programs see them, and what only homeservers may do."""

from dataclasses import replace

import pytest

from domain_rules.rules import RuleSet
from identity.app import create_app
from identity.core import signatures as signing
from identity.homeservers import models as homeservers
from identity.keys import models as signing_keys
from identity.threepids import associations
from tests.worlds.api import *
from tests.worlds.api import FEDERATION, FixedRules
from tests.worlds.programs import ADDRESS, CAMILLE, SECRET, V2, ZOE, Program, refused

UNBIND = f"{V2}/3pid/unbind"
THREEPID = {"medium": "email", "address": ADDRESS}
INTERNAL = "/_matrix/identity/internal"


@pytest.fixture
def named(decided):
    """The service under its name and an alias, as homeservers know it."""
    return replace(
        decided,
        settings=decided.settings.model_copy(
            update={"server_name": "is.example", "server_aliases": ("localhost:18090",)}
        ),
    )


@pytest.fixture
def camille(named) -> Program:
    return Program(create_app(named).test_client(), named)


@pytest.fixture
def education(named, told_homeserver):
    """education.example publishes a key; this is it."""
    key = signing.new_key("a_b")
    with named.database.transaction() as session:
        homeservers.find(session, "education.example").url = told_homeserver.url
    facts = {
        "server_name": "education.example",
        "valid_until_ts": 2**52,
        "verify_keys": {key.key_id: {"key": key.public}},
        "old_verify_keys": {},
    }
    told_homeserver.published = key.sign(facts, server_name="education.example")
    return key


def x_matrix(key, content, *, origin="education.example", to="is.example", method="POST"):
    """The header as Synapse sends it to identity servers."""
    facts = {
        "method": method,
        "uri": UNBIND,
        "origin": origin,
        "destination_is": to,
        "content": content,
    }
    [(key_id, signature)] = key.sign(facts, server_name=origin)["signatures"][origin].items()
    value = f'X-Matrix origin="{origin}",key="{key_id}",sig="{signature}",destination="{to}"'
    return {"Authorization": value}


def unbind(program, headers=(), **facts):
    body = {"threepid": THREEPID, "mxid": CAMILLE} | facts
    return program.client.post(UNBIND, json=body, headers=dict(headers))


def test_a_bound_address_is_signed_with_a_published_key(camille, named):
    told = camille.bind(camille.prove()).json
    assert (told["medium"], told["address"], told["mxid"]) == ("email", ADDRESS, CAMILLE)
    assert {"not_before", "not_after", "ts", "signatures"} <= set(told)
    [(server, signatures)] = told["signatures"].items()
    assert server == "is.example"
    for key_id in signatures:
        with named.database.reading() as session:
            public = signing_keys.find(session, key_id).public_key
        signing.verify(told, signer="is.example", key_id=key_id, public_key=public)
    assert camille.owner() == CAMILLE


def test_what_is_not_proved_is_not_bound(camille, clock):
    sid = camille.ask().json["sid"]
    assert refused(camille.bind(sid)) == (400, "M_SESSION_NOT_VALIDATED")
    assert refused(camille.bind("0" * 32)) == (404, "M_NO_VALID_SESSION")
    assert refused(camille.bind(sid, client_secret="another")) == (404, "M_NO_VALID_SESSION")
    clock.advance(hours=24)
    assert refused(camille.bind(sid)) == (400, "M_SESSION_EXPIRED")
    assert camille.owner() is None


def test_nobody_binds_for_another(camille):
    sid = camille.prove()
    assert refused(camille.bind(sid, mxid=ZOE)) == (403, "M_UNAUTHORIZED")
    assert camille.owner() is None


def test_an_address_of_another_homeserver_is_refused_with_the_right_one(named):
    gil = Program(create_app(named).test_client(), named, user_id="@gil:guests.example")
    answer = gil.bind(gil.prove())
    assert refused(answer) == (403, "M_FORBIDDEN")
    assert (answer.json["hs"], answer.json["org.guichet.reason"]) == (
        "education.example",
        "wrong_server",
    )
    assert "education.example" in answer.json["error"]
    assert gil.owner() is None


def test_an_address_nobody_takes_is_refused_without_one(named):
    closed = replace(named, rules=FixedRules(RuleSet.compile(FEDERATION)))
    program = Program(create_app(closed).test_client(), closed)
    answer = program.bind(program.prove(email="x@nowhere.example"))
    assert refused(answer) == (403, "M_FORBIDDEN")
    assert answer.json["org.guichet.reason"] == "domain_not_open"
    assert "hs" not in answer.json


def test_the_protected_homeserver_binds_as_well(named):
    dan = Program(create_app(named).test_client(), named, user_id="@dan:inside.example")
    assert dan.bind(dan.prove(email="dan@defense.example")).status_code == 200


def test_the_policy_any_binds_everywhere(named):
    settings = named.settings.model_copy(update={"association_policy": "any"})
    free = replace(named, settings=settings)
    gil = Program(create_app(free).test_client(), free, user_id="@gil:guests.example")
    assert gil.bind(gil.prove()).status_code == 200
    assert gil.owner() == "@gil:guests.example"


@pytest.mark.parametrize("to", ["is.example", "localhost:18090"])
def test_the_homeserver_of_the_user_unbinds_under_every_name_of_ours(camille, education, to):
    camille.bind(camille.prove())
    body = {"threepid": THREEPID, "mxid": CAMILLE}
    answer = unbind(camille, x_matrix(education, body, to=to))
    assert (answer.status_code, answer.json) == (200, {})
    assert camille.owner() is None


def test_the_last_association_a_homeserver_withdraws_ends_the_tokens_a_persons_own_word_does_not(
    camille, education, named, clock
):
    """That is all a homeserver without our module says when an account ends."""
    camille.bind(camille.prove())
    assert unbind(camille, camille.headers).status_code == 200
    assert camille.get("/account").status_code == 200
    with named.database.transaction() as session:
        associations.bind(session, clock(), address=ADDRESS, user_id=CAMILLE)
    body = {"threepid": THREEPID, "mxid": CAMILLE}
    assert unbind(camille, x_matrix(education, body)).status_code == 200
    assert refused(camille.get("/account")) == (401, "M_UNAUTHORIZED")


def test_what_is_not_bound_is_unbound_without_a_fault(camille, education):
    body = {"threepid": {"medium": "email", "address": "never seen"}, "mxid": CAMILLE}
    answer = unbind(camille, x_matrix(education, body), **body)
    assert (answer.status_code, answer.json) == (200, {})


def test_a_signature_that_does_not_fit_is_refused(camille, education):
    camille.bind(camille.prove())
    body = {"threepid": THREEPID, "mxid": CAMILLE}
    good = x_matrix(education, body)
    for headers in (
        x_matrix(education, body | {"mxid": ZOE}),
        x_matrix(education, body, to="other.example"),
        x_matrix(education, body, method="PUT"),
        x_matrix(signing.new_key("a_b"), body),
        x_matrix(signing.new_key("unknown"), body),
        x_matrix(education, body, origin="elsewhere.example"),
        {"Authorization": "X-Matrix"},
        {"Authorization": good["Authorization"].replace("sig=", "nosig=")},
    ):
        assert refused(unbind(camille, headers)) == (403, "M_FORBIDDEN"), headers
    assert camille.owner() == CAMILLE
    assert unbind(camille, good).status_code == 200


def test_a_homeserver_speaks_for_its_own_users_only(camille, education):
    foreign = "@camille:guests.example"
    body = {"threepid": THREEPID, "mxid": foreign}
    answer = unbind(camille, x_matrix(education, body), mxid=foreign)
    assert refused(answer) == (403, "M_FORBIDDEN")


def test_the_proof_of_the_address_unbinds_without_a_token(camille):
    sid = camille.prove()
    camille.bind(sid)
    wrong = unbind(camille, sid=sid, client_secret="another")
    assert refused(wrong) == (403, "M_FORBIDDEN")
    other = {"medium": "email", "address": "zoe@ac-rouen.example"}
    answer = unbind(camille, sid=sid, client_secret=SECRET, threepid=other)
    assert refused(answer) == (403, "M_FORBIDDEN")
    assert camille.owner() == CAMILLE
    assert unbind(camille, sid=sid, client_secret=SECRET).json == {}
    assert camille.owner() is None


def test_the_user_unbinds_with_their_token_and_nobody_elses(camille, named):
    camille.bind(camille.prove())
    zoe = Program(camille.client, named, user_id=ZOE)
    assert refused(unbind(camille, zoe.headers)) == (403, "M_FORBIDDEN")
    nobody = {"Authorization": "Bearer nothing"}
    assert refused(unbind(camille, nobody)) == (401, "M_UNAUTHORIZED")
    assert unbind(camille, camille.headers).json == {}
    assert camille.owner() is None


def test_without_any_authority_nothing_is_unbound(camille):
    camille.bind(camille.prove())
    assert refused(unbind(camille)) == (403, "M_FORBIDDEN")
    assert camille.owner() == CAMILLE


def test_another_owner_stays(camille, education):
    camille.bind(camille.prove())
    body = {"threepid": THREEPID, "mxid": ZOE}
    assert unbind(camille, x_matrix(education, body), mxid=ZOE).json == {}
    assert camille.owner() == CAMILLE


def test_phone_numbers_are_not_unbound(camille):
    threepid = {"medium": "msisdn", "address": "33612345678"}
    assert refused(unbind(camille, camille.headers, threepid=threepid)) == (400, "M_UNRECOGNIZED")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"mxid": CAMILLE},
        {"threepid": {"medium": "email"}, "mxid": CAMILLE},
        {"threepid": [], "mxid": CAMILLE},
        {"threepid": THREEPID, "mxid": 5},
    ],
)
def test_a_body_of_another_shape_is_refused(camille, body):
    answer = camille.client.post(UNBIND, json=body, headers=camille.headers)
    assert answer.status_code == 400
    assert answer.json["errcode"] in {"M_MISSING_PARAMS", "M_INVALID_PARAM"}


def test_a_module_binds_and_unbinds_for_its_own_homeserver(camille, credential):
    body = {**THREEPID, "mxid": CAMILLE}
    for path, owner in (("bind", CAMILLE), ("unbind", None)):
        answer = camille.client.post(f"{INTERNAL}/{path}", json=body, headers=credential)
        assert (answer.status_code, answer.json) == (200, {})
        assert camille.owner() == owner


@pytest.mark.parametrize(
    ("facts", "status", "code"),
    [
        ({"mxid": "@gil:guests.example"}, 403, "M_FORBIDDEN"),
        ({"mxid": "@gil:elsewhere.example"}, 403, "M_FORBIDDEN"),
        ({"mxid": "education.example"}, 403, "M_FORBIDDEN"),
        ({"address": "x@interieur.example"}, 403, "M_FORBIDDEN"),
        ({"address": "no address"}, 400, "M_INVALID_EMAIL"),
        ({"medium": "msisdn"}, 400, "M_UNRECOGNIZED"),
        ({"medium": 5}, 400, "M_INVALID_PARAM"),
    ],
)
def test_a_module_binds_nothing_else(camille, credential, facts, status, code):
    body = {**THREEPID, "mxid": CAMILLE} | facts
    answer = camille.client.post(f"{INTERNAL}/bind", json=body, headers=credential)
    assert refused(answer) == (status, code)
    assert camille.owner() is None


def test_without_a_credential_only_the_internal_listener_binds_and_never_behind_a_proxy(named):
    body = {**THREEPID, "mxid": CAMILLE}
    internal = create_app(named, listener="internal").test_client()
    public = create_app(named).test_client()
    assert refused(public.post(f"{INTERNAL}/bind", json=body)) == (403, "M_FORBIDDEN")
    for sign in ("Forwarded", "X-Forwarded-For", "Via"):
        answer = internal.post(f"{INTERNAL}/bind", json=body, headers={sign: "127.0.0.1"})
        assert refused(answer) == (403, "M_FORBIDDEN")
    assert internal.post(f"{INTERNAL}/bind", json=body).status_code == 200
