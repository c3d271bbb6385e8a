"""Rules and their changes by the admin API: found, explained, drafted, checked, proposed."""

import pytest

from identity.core import journal
from identity.operators.roles import Role, Scope
from identity.rule_changes.change_models import Change
from tests.worlds.admin_api import *
from tests.worlds.worker import *
from workers import tasks

ASSO = {"kind": "domain", "pattern": "asso.example", "homeserver": EDUCATION}
HOME = frozenset({EDUCATION})


@pytest.fixture
def editor(program):
    return program(Role.EDITOR)


@pytest.fixture
def draft(editor):
    """C-1, which opens asso.example."""
    made = editor.post("/changes", {"title": "open asso", "put": [ASSO]})
    assert made.status_code == 201, made.text
    return made


def work(services):
    for lane in ("bulk", "normal"):
        tasks.run_lane(services, lane)


def test_the_rules_in_force_are_listed_as_json_prints_them(editor):
    items = editor.get("/rules").json["items"]
    assert {(each["kind"], each["pattern"]) for each in items} == {
        ("default", None),
        ("domain", "ac-rouen.example"),
    }
    assert editor.get("/rules?prefix=ac-&kind=domain").json["items"][0]["homeserver"] == EDUCATION
    assert editor.get("/rules?kind=nothing").json["org.guichet.field"] == "kind"


def test_a_scope_hides_the_rules_of_others(program):
    caller = program(Role.VIEWER, scope=Scope(homeservers=HOME))
    assert [each["pattern"] for each in caller.get("/rules").json["items"]] == ["ac-rouen.example"]
    assert caller.get("/domains/ac-rouen.example").status_code == 200
    elsewhere = program(Role.VIEWER, scope=Scope(homeservers=frozenset({GUESTS})))
    assert elsewhere.get("/domains/ac-rouen.example").status_code == 404


def test_an_address_is_explained_now_then_and_under_a_change(editor, draft):
    def decided(as_of=""):
        body = {"address": "Gil@ASSO.example", "as_of": as_of}
        return editor.post("/explain", body).json["decision"]["homeserver"]

    assert (decided(), decided("1"), decided("C-1")) == (GUESTS, GUESTS, EDUCATION)


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"address": "no address"}, 400, "address"),
        ({}, 400, "address"),
        ({"address": "a@b.example", "as_of": "D-1"}, 400, "as_of"),
        ({"address": "a@b.example", "as_of": "C-9"}, 404, None),
        ({"address": "a@b.example", "as_of": "999"}, 404, None),
    ],
)
def test_what_cannot_be_explained_is_refused(editor, body, status, field):
    answer = editor.post("/explain", body)
    assert answer.status_code == status, answer.text
    assert answer.json.get("org.guichet.field") == field


def test_explaining_names_nobody_in_the_log(editor, caplog):
    caplog.set_level("INFO")
    editor.post("/explain", {"address": "gil@asso.example"})
    assert "gil@asso" not in caplog.text


def test_a_draft_is_made_checked_and_proposed(editor, draft, services, told_services):
    assert draft.headers["Location"] == "/api/admin/v1/changes/1"
    assert (draft.json["state"], draft.json["lines"], draft.headers["ETag"]) == ("draft", 1, '"1"')
    answer = editor.post("/changes/1/check", If_Match=draft.headers["ETag"])
    assert (answer.status_code, answer.json["state"]) == (202, "checking")
    assert answer.headers["Location"] == "/api/admin/v1/changes/1/check"
    work(told_services)
    checked = editor.get("/changes/1/check")
    assert (checked.json["state"], checked.json["counts"]["lose_access"]) == ("checked", 0)
    answer = editor.post("/changes/1/propose", If_Match=checked.headers["ETag"])
    assert (answer.status_code, answer.json["state"]) == (200, "proposed")
    with services.database.reading() as session:
        assert {row.origin for row in journal.find_by_subject(session, ["C-1"])} >= {
            "api token program 1 from 127.0.0.0/24"
        }
        assert session.query(Change).one().author == "Maker1"


def test_a_token_applies_nothing(program, draft):
    approver = program(Role.APPROVER)
    for verb in ("approve", "break-glass", "review", "schedule", "apply", "rollback"):
        answer = approver.post(f"/changes/1/{verb}")
        assert (answer.status_code, answer.json["org.guichet.reason"]) == (403, "second_factor")
        assert answer.json["org.guichet.url"].endswith("/admin/changes/C-1")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "", {"title": "another"}),
        ("PUT", "/lines", {}),
        ("PATCH", "/lines", {"put": [ASSO]}),
        ("POST", "/check", {}),
        ("POST", "/propose", {}),
        ("POST", "/abandon", {}),
    ],
)
def test_whoever_changes_a_draft_says_which_version(editor, draft, method, path, body):
    path = f"/changes/1{path}"
    missing = editor.open(method, path, body)
    assert (missing.status_code, missing.json["errcode"]) == (428, "org.guichet.if_match_needed")
    stale = editor.open(method, path, body, If_Match='"9"')
    assert (stale.status_code, stale.headers["ETag"]) == (412, '"1"')
    assert stale.json["org.guichet.version"] == 1
    assert editor.open(method, path, body, If_Match="*").status_code == 400
    assert editor.get("/changes/1").json["version"] == 1


def test_of_two_editors_the_slower_is_told_the_present_version(editor, program, draft):
    other = program(Role.EDITOR)
    seen = draft.headers["ETag"]
    faster = other.open("PATCH", "/changes/1", {"title": "another"}, If_Match=seen)
    slower = editor.open("PATCH", "/changes/1", {"title": "mine"}, If_Match=seen)
    assert (faster.status_code, slower.status_code) == (200, 412)
    assert slower.headers["ETag"] == faster.headers["ETag"]
    assert editor.get("/changes/1").json["title"] == "another"


def test_lines_are_put_removed_and_left(editor, draft):
    edit = {
        "put": [ASSO | {"pattern": "ASSO2.example"}],
        "remove": [{"kind": "domain", "pattern": "ac-rouen.example"}],
        "leave": [{"kind": "domain", "pattern": "asso.example"}],
    }
    answer = editor.open("PATCH", "/changes/1/lines", edit, If_Match=draft.headers["ETag"])
    assert answer.status_code == 200, answer.text
    lines = editor.get("/changes/1/lines").json["items"]
    assert {(each["sign"], each["pattern"]) for each in lines} == {
        ("+", "asso2.example"),
        ("-", "ac-rouen.example"),
    }
    whole = editor.open("PUT", "/changes/1/lines", {"put": [ASSO]}, If_Match=answer.headers["ETag"])
    assert whole.json["lines"] == 1


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        (ASSO | {"kind": "planet"}, "put"),
        (ASSO | {"pattern": "no domain"}, "pattern"),
        (ASSO | {"homeserver": "nowhere.example"}, "homeserver"),
        (ASSO | {"homeserver": None}, "put"),
        (ASSO | {"sibling_of": "ac-rouen.example"}, "put"),
        (ASSO | {"valid_until": "soon"}, "valid_until"),
        (ASSO | {"extra_signs": "?"}, "put"),
        ({"kind": "default", "pattern": "x.example", "homeserver": GUESTS}, "pattern"),
    ],
)
def test_a_wrong_rule_is_refused_and_nothing_is_made(editor, rule, field):
    answer = editor.post("/changes", {"title": "wrong", "put": [rule]})
    assert (answer.status_code, answer.json["org.guichet.field"]) == (400, field), answer.text
    assert editor.get("/changes").json["items"] == []


def test_free_mail_is_refused_by_policy(editor):
    answer = editor.post("/changes", {"title": "x", "put": [ASSO | {"pattern": "gmail.com"}]})
    assert answer.status_code == 422, answer.text


def test_nobody_drafts_outside_their_scope_or_sees_what_lies_there(program, editor, draft):
    elsewhere = program(Role.EDITOR, scope=Scope(homeservers=frozenset({GUESTS})))
    assert elsewhere.get("/changes/1").status_code == 404
    assert elsewhere.get("/changes").json["items"] == []
    under = {"address": "gil@asso.example", "as_of": "C-1"}
    assert elsewhere.post("/explain", under).status_code == 404
    answer = elsewhere.post("/changes", {"title": "x", "put": [ASSO]})
    assert answer.status_code == 403


def test_a_draft_that_is_sent_twice_is_made_once(editor):
    body = {"title": "open asso", "put": [ASSO]}
    first = editor.post("/changes", body, Idempotency_Key="nightly-12")
    again = editor.post("/changes", body, Idempotency_Key="nightly-12")
    assert (first.data, first.headers["ETag"]) == (again.data, again.headers["ETag"])
    assert len(editor.get("/changes").json["items"]) == 1


def test_rules_of_single_addresses_are_masked_for_those_who_write_none(program, editor):
    rule = {"kind": "address", "pattern": "gil@asso.example", "homeserver": EDUCATION}
    editor.post("/changes", {"title": "x", "put": [rule]})
    assert editor.get("/changes/1/lines").json["items"][0]["pattern"] == "gil@asso.example"
    lines = program(Role.VIEWER).get("/changes/1/lines").text
    assert "gil@" not in lines


def test_revisions_are_told_with_what_they_changed(editor):
    (revision,) = editor.get("/revisions").json["items"]
    assert (revision["revision"], revision["change"]) == (1, None)
    lines = editor.get("/revisions/1").json["lines"]
    assert [each["before"] for each in lines] == [None, None]
    assert editor.get("/revisions/2").status_code == 404


def test_a_file_becomes_a_change_by_the_worker_and_refused_lines_are_named(editor, services):
    content = f"kind;pattern;class;homeserver\ndomain;asso.example;agent;{EDUCATION}\n"
    content += f"domain;gmail.com;agent;{EDUCATION}\n"
    sent = editor.post("/imports", {"name": "rules.csv", "content": content})
    assert (sent.status_code, sent.json["state"]) == (202, "waiting"), sent.text
    path = sent.headers["Location"].removeprefix(PREFIX)
    work(services)
    told = editor.get(path).json
    assert (told["state"], told["change"], told["outcome"]["rules"]) == ("read", "C-1", 1)
    assert [each["text"] for each in told["outcome"]["refused"]] == ["gmail.com"]
    assert editor.get("/changes/1").json["state"] == "checked"


def test_a_file_is_read_for_its_sender_alone(editor, program, services):
    sent = editor.post("/imports", {"name": "list.txt", "content": "asso.example\n"})
    path = sent.headers["Location"].removeprefix(PREFIX)
    work(services)
    assert editor.get(path).json["outcome"]["obstacle"] == "no_homeserver"
    assert program(Role.APPROVER).get(path).status_code == 404
    assert editor.post("/imports", {"name": "a", "content": "a\0"}).status_code == 400
    assert program(Role.VIEWER).post("/imports", {"name": "a", "content": "a"}).status_code == 403


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("PUT", "/lines", {"puts": []}, "puts"),
        (
            "PATCH",
            "/lines",
            {"put": [ASSO | {"valid_untill": "2027-01-01T00:00:00Z"}]},
            "valid_untill",
        ),
        ("PATCH", "/lines", {"remove": [ASSO]}, "homeserver"),
        ("PATCH", "", {"title": "x", "Title": "y"}, "Title"),
        ("POST", "/check", {"raison": WHY}, "raison"),
    ],
)
def test_a_field_with_a_typing_error_is_refused_and_changes_nothing(
    editor, draft, method, path, body, field
):
    answer = editor.open(method, f"/changes/1{path}", body, If_Match='"1"')
    assert (answer.status_code, answer.json["org.guichet.field"]) == (400, field), answer.text
    assert editor.get("/changes/1").json["version"] == 1


def test_of_many_rules_the_wrong_one_is_named_by_its_place(editor):
    rules = [ASSO, ASSO | {"pattern": "no domain"}]
    answer = editor.post("/changes", {"title": "x", "put": rules})
    assert (answer.json["org.guichet.field"], answer.json["error"][:7]) == ("pattern", "put[1]:")


def test_rules_can_be_sent_back_as_they_are_told(editor):
    told = editor.get("/rules").json["items"]
    answer = editor.post("/changes", {"title": "the same", "put": told})
    assert (answer.status_code, answer.json["lines"]) == (201, len(told)), answer.text
