"""What our modules are told and may report, over HTTP, with the homeserver's credential and without."""

import uuid
from dataclasses import replace

import pytest
from sqlalchemy import select

from domain_rules.rule import AccountClass, Rule, RuleKind
from identity.accounts import verified_addresses
from identity.accounts.feed_state import FeedState
from identity.app import create_app
from identity.core import continuity
from identity.core.journal import Actor
from identity.homeservers import models as homeservers, module_models as homeserver_modules
from identity.homeservers.models import Homeserver
from identity.routing.models import RuleRevision, StoredRule
from identity.routing.rules_in_force import RulesInForce
from identity.rule_changes import service as rule_changes
from tests.worlds.api import *

API = "/api/homeserver/v1"
MIXED = "mixed.example"


@pytest.fixture(params=["public", "internal"])
def client(request, services, database, clock):
    at_once = RulesInForce(database, clock, look_every=0)
    return create_app(replace(services, rules=at_once), listener=request.param).test_client()


@pytest.fixture
def publish(services, clock):
    def publish(*rules, **how):
        with services.database.transaction() as session:
            difference = rule_changes.compare(session, put=rules, **how)
            rule_changes.publish(session, clock(), difference, Actor("tests", "here", "why"))

    return publish


@pytest.fixture
def mixed(services, clock) -> str:
    """A homeserver where agents and guests live together."""
    with services.database.transaction() as session:
        session.add(
            Homeserver(
                name=MIXED,
                url="http://127.0.0.1:1",
                label="Tous",
                connector="none",
                user_id_scheme="address",
                class_source="by_person",
                created_at=clock(),
            )
        )
    return MIXED


@pytest.fixture
def prove(services, clock):
    def prove(user_id, address):
        with services.database.transaction() as session:
            verified_addresses.add(session, clock(), user_id=user_id, address=address)

    return prove


def rule(kind, pattern, homeserver="education.example", **facts) -> Rule:
    given = {"requires_invite": False, "account_class": AccountClass.AGENT} | facts
    account_class = given.pop("account_class")
    return Rule(kind, pattern, account_class, homeserver, **given)


@pytest.mark.parametrize("path", ["/rules", "/agents?since=0"])
def test_nothing_is_told_without_a_credential_also_not_inside(client, path):
    for headers in ({}, {"Authorization": "Bearer guichet_wrong"}):
        answer = client.get(API + path, headers=headers)
        assert (answer.status_code, answer.json["errcode"]) == (403, "M_FORBIDDEN")
    assert client.post(f"{API}/reports", json={"reports": []}).status_code == 403


def test_the_rules_say_what_a_module_decides_by(client, credential):
    answer = client.get(f"{API}/rules?version=2", headers=credential)
    assert answer.headers["Cache-Control"] == "private, no-cache"
    said = answer.json
    assert said["revision"] == 1
    assert said["homeserver"] == {
        "name": "education.example",
        "class_source": "agent",
        "user_id_scheme": "address",
    }
    assert said["homeservers"] == {
        "education.example": {"class_source": "agent"},
        "guests.example": {"class_source": "guest"},
    }
    assert said["version"] == 2
    assert said["rules"] == [
        {
            "kind": "default",
            "class": "guest",
            "homeserver": "guests.example",
            "requires_invite": True,
        },
        {
            "kind": "domain",
            "pattern": "ac-rouen.example",
            "class": "agent",
            "homeserver": "education.example",
            "organisation": "Éducation nationale – Rouen",
        },
    ]
    assert said["identity_server"]["names"] == ["127.0.0.1:8090", "guichet.localhost"]
    assert len(said["identity_server"]["public_keys"]) == 1
    assert said["epoch"] == client.get(f"{API}/rules", headers=credential).json["epoch"]


def test_what_the_module_has_is_not_sent_again(client, credential, publish):
    tag = client.get(f"{API}/rules", headers=credential).headers["ETag"]
    again = client.get(f"{API}/rules", headers=credential | {"If-None-Match": tag})
    assert (again.status_code, again.data) == (304, b"")
    publish(rule(RuleKind.DOMAIN, "asso.example"))
    changed = client.get(f"{API}/rules", headers=credential | {"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.json["revision"] == 2
    assert "asso.example" in [each.get("pattern") for each in changed.json["rules"]]


def test_who_asks_for_the_rules_says_what_it_can_do(client, credential, services, clock):
    def declared():
        with services.database.reading() as session:
            row = homeserver_modules.find(session, "education.example")
            return row.heard_at, row.version, row.reports, row.actions

    client.get(f"{API}/rules", headers=credential)
    assert declared() == (clock(), 1, "", "")
    tag = client.get(f"{API}/rules?version=2", headers=credential).headers["ETag"]
    query = "version=2&reports=joined,left,danced&actions=room,fly"
    again = client.get(f"{API}/rules?{query}", headers=credential | {"If-None-Match": tag})
    assert again.status_code == 304
    assert declared() == (clock(), 2, "joined,left", "room")
    assert client.get(f"{API}/rules?{query}&actions=room", headers=credential).status_code == 400


def test_the_revision_that_a_module_has_is_known_also_if_nothing_is_new(
    client, credential, services, clock, publish
):
    def ask(tag=""):
        told = {"If-None-Match": tag} if tag else {}
        answer = client.get(f"{API}/rules?version=2", headers=credential | told)
        return answer.status_code, answer.headers["ETag"]

    def known():
        with services.database.reading() as session:
            row = homeserver_modules.find(session, "education.example")
        return row.revision, row.heard_at

    _, first = ask()
    assert known() == (1, clock())
    publish(rule(RuleKind.DOMAIN, "asso.example"))
    assert known()[0] == 1
    clock.advance(seconds=20)
    status, second = ask(first)
    assert (status, known()) == (200, (2, clock()))
    # Its next call says that it has the older one still: it did not take what it was sent.
    clock.advance(seconds=20)
    assert ask(first)[0] == 200
    assert known() == (1, clock())
    clock.advance(seconds=20)
    assert ask(second)[0] == 304
    assert known() == (2, clock())
    written = clock()
    clock.advance(seconds=59)
    ask(second)
    assert known() == (2, written)
    clock.advance(seconds=1)
    assert ask(second)[0] == 304
    assert known() == (2, clock())


def test_a_homeserver_that_changes_its_kind_is_told_without_a_new_revision(
    client, credential, services
):
    tag = client.get(f"{API}/rules", headers=credential).headers["ETag"]
    with services.database.transaction() as session:
        homeservers.find(session, "guests.example").class_source = "by_person"
    changed = client.get(f"{API}/rules", headers=credential | {"If-None-Match": tag})
    assert changed.json["homeservers"]["guests.example"] == {"class_source": "by_person"}


def test_a_protected_homeserver_finds_its_own_name_and_others_do_not(
    client, credential, publish, services, clock
):
    guarded = rule(
        RuleKind.DOMAIN,
        "defense.example",
        "guests.example",
        protected_homeserver="education.example",
    )
    other = rule(
        RuleKind.DOMAIN, "other.example", "education.example", protected_homeserver="guests.example"
    )
    publish(guarded, other)
    found = client.get(f"{API}/rules", headers=credential).json["rules"]
    places = {each.get("pattern"): each["homeserver"] for each in found}
    assert places["defense.example"] == "education.example"
    assert places["other.example"] == "education.example"


def test_a_database_that_was_set_back_counts_in_a_new_epoch(client, credential, publish, services):
    publish(rule(RuleKind.DOMAIN, "asso.example"))
    before = client.get(f"{API}/rules", headers=credential)
    with services.database.transaction() as session:
        for row in session.scalars(select(StoredRule).where(StoredRule.since_revision == 2)):
            session.delete(row)
        session.delete(session.get_one(RuleRevision, 2))
    told = credential | {"If-None-Match": before.headers["ETag"]}
    after = client.get(f"{API}/rules", headers=told)
    assert (after.status_code, after.json["revision"]) == (200, 1)
    assert after.json["epoch"] != before.json["epoch"]
    # Whoever asks next with the old epoch begins no further one.
    assert client.get(f"{API}/rules", headers=told).json["epoch"] == after.json["epoch"]
    with services.database.reading() as session:
        assert session.scalars(select(FeedState.epoch)).all() == [after.json["epoch"]]
        row = continuity.find(session)
    assert (row.ahead, row.ahead_at) == ("education.example", services.now())
    assert row.held_since is None  # a module alarms; it stops nothing


def test_agents_of_mixed_homeservers_are_numbered_by_their_changes(
    client, credential, mixed, prove, publish
):
    zoe, gil = f"@zoe:{mixed}", f"@gil:{mixed}"
    prove(zoe, "zoe@ac-rouen.example")
    prove(gil, "gil@asso.example")
    prove("@camille:education.example", "camille@ac-rouen.example")
    first = client.get(f"{API}/agents?since=0", headers=credential)
    assert (first.json["added"], first.json["removed"]) == ([zoe], [])
    assert first.json["complete"] is True
    number = first.json["number"]

    publish(rule(RuleKind.DOMAIN, "asso.example"))
    opened = client.get(f"{API}/agents?since={number}", headers=credential).json
    assert (opened["added"], opened["removed"], opened["complete"]) == ([gil], [], False)
    assert opened["number"] > number

    publish(take_away=[rule(RuleKind.DOMAIN, "ac-rouen.example")])
    closed = client.get(f"{API}/agents?since={opened['number']}", headers=credential).json
    assert (closed["added"], closed["removed"]) == ([], [zoe])
    whole = client.get(f"{API}/agents?since=0", headers=credential).json
    assert (whole["added"], whole["removed"], whole["complete"]) == ([gil], [], True)


def test_agents_that_did_not_change_are_not_sent_again(client, credential, mixed, prove):
    prove(f"@zoe:{mixed}", "zoe@ac-rouen.example")
    number = client.get(f"{API}/agents?since=0", headers=credential).json["number"]
    path = f"{API}/agents?since={number}"
    first = client.get(path, headers=credential)
    assert (first.json["added"], first.json["complete"]) == ([], False)
    told = credential | {"If-None-Match": first.headers["ETag"]}
    assert client.get(path, headers=told).status_code == 304
    prove(f"@gil:{mixed}", "gil@ac-rouen.example")
    assert client.get(path, headers=told).json["added"] == [f"@gil:{mixed}"]


def test_a_number_that_is_still_to_come_is_answered_with_everybody(
    client, credential, mixed, prove
):
    prove(f"@zoe:{mixed}", "zoe@ac-rouen.example")
    answer = client.get(f"{API}/agents?since=99", headers=credential).json
    assert (answer["added"], answer["complete"]) == ([f"@zoe:{mixed}"], True)


@pytest.mark.parametrize("since", ["", "-1", "x", "1" * 30, "²"])
def test_since_is_a_number(client, credential, since):
    answer = client.get(f"{API}/agents", query_string={"since": since}, headers=credential)
    assert (answer.status_code, answer.json["errcode"]) == (400, "M_INVALID_PARAM")


def test_a_report_that_cannot_be_read_does_not_keep_the_others(client, credential):
    user = "@camille:education.example"
    good = {"kind": "bound", "user_id": user, "address": "camille@ac-rouen.example"}
    said = [
        {"id": str(uuid.uuid4()), "at": 1, **facts}
        for facts in (
            good,
            {"kind": "bound", "user_id": user},
            {"kind": "something new"},
            good | {"user_id": "@camille:guests.example"},
            good | {"user_id": "@cam\ud800ille:education.example"},
            good | {"address": "not an address"},
        )
    ]
    answer = client.post(f"{API}/reports", json={"reports": said}, headers=credential)
    assert answer.status_code == 200, answer.text
    results = answer.json["results"]
    assert [each["id"] for each in results] == [each["id"] for each in said]
    assert [(each["result"], each.get("why")) for each in results] == [
        ("ok", None),
        ("rejected", "unreadable"),
        ("rejected", "unknown_kind"),
        ("rejected", "not_yours"),
        ("rejected", "unreadable"),
        ("rejected", "no_at"),
    ]
    again = client.post(f"{API}/reports", json={"reports": said}, headers=credential)
    assert again.json == answer.json


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        ({"reports": [{"kind": "bound"}]}, "M_INVALID_PARAM"),
        ({"reports": [{"id": 7}]}, "M_INVALID_PARAM"),
        ({"reports": {}}, "M_INVALID_PARAM"),
        ({}, "M_MISSING_PARAMS"),
        ({"reports": [{"id": str(uuid.UUID(int=n))} for n in range(101)]}, "M_TOO_LARGE"),
    ],
)
def test_a_body_that_is_none_of_reports_is_refused_whole(client, credential, body, errcode):
    answer = client.post(f"{API}/reports", json=body, headers=credential)
    assert (answer.status_code, answer.json["errcode"]) == (400, errcode)


def test_what_a_homeserver_binds_and_unbinds_by_itself_counts_for_the_class(
    client, credential, services
):
    camille, address = "@camille:education.example", "camille@ac-rouen.example"
    asked = {"medium": "email", "address": address, "mxid": camille}

    def proofs():
        with services.database.reading() as session:
            return verified_addresses.addresses_of(session, camille)

    internal = "/_matrix/identity/internal"
    assert client.post(f"{internal}/bind", json=asked, headers=credential).status_code == 200
    assert proofs() == [address]
    assert client.post(f"{internal}/unbind", json=asked, headers=credential).status_code == 200
    assert proofs() == []
