"""Requests for domains by the admin API: read masked, asked back, accepted into a change, refused."""

import pytest

from identity.core import journal
from identity.operators.kept_answers import KeptAnswer
from identity.operators.roles import Role, Scope
from tests.worlds.admin_api import *
from tests.worlds.domain_askers import *


@pytest.fixture
def editor(program):
    return program(Role.EDITOR)


@pytest.fixture
def asked(office):
    """D-1: two people want ac-normandie.fr."""
    for name in ("jean", "lea"):
        office.ask(f"{name}@{NORMANDIE}")


def test_requests_are_read_with_nobodys_address(editor, asked):
    (listed,) = editor.get("/requests?which=open&sort=wanted").json["items"]
    assert (listed["request"], listed["domain"], listed["people"]) == ("D-1", NORMANDIE, 2)
    whole = editor.get("/requests/1")
    shown = {each["address"] for each in whole.json["requesters"]}
    assert shown == {f"j•••@{NORMANDIE}", f"l•••@{NORMANDIE}"}
    assert "jean@" not in whole.text


def test_an_accepted_request_becomes_a_draft_that_is_checked_and_is_decided_once(
    editor, asked, services
):
    answer = editor.post("/requests/1/accept", {"homeserver": EDUCATION, "organisation": "N"})
    assert (answer.status_code, answer.json["state"]) == (202, "accepted"), answer.text
    assert answer.headers["Location"] == "/api/admin/v1/changes/1/check"
    assert editor.get("/changes/1").json["state"] == "checking"
    again = editor.post("/requests/1/accept", {"homeserver": EDUCATION})
    assert (again.status_code, again.json["errcode"]) == (409, "org.guichet.decided")
    with services.database.reading() as session:
        (row,) = [
            each
            for each in journal.find_recent(session, subjects=["D-1"])
            if "accept" in each.action
        ]
    assert row.origin.startswith("api token ")


def test_into_a_draft_it_goes_by_the_version_of_that_draft(editor, asked):
    editor.post("/changes", {"title": "several"})
    into = {"homeserver": EDUCATION, "into": 1}
    assert editor.post("/requests/1/accept", into).status_code == 428
    assert editor.post("/requests/1/accept", into, If_Match='"9"').status_code == 412
    assert editor.get("/requests/1").json["state"] == "open"
    assert editor.post("/requests/1/accept", into, If_Match='"1"').status_code == 202
    assert editor.get("/changes/1").json["lines"] == 1


def test_a_request_is_put_off_asked_back_and_refused(editor, asked, clock):
    later = editor.post("/requests/1/later", {"until": (clock.time).isoformat()})
    assert later.status_code == 400
    question = editor.post("/requests/1/ask", {"question": "Who runs this domain?"})
    assert (question.status_code, question.json["state"]) == (200, "asked")
    refused = editor.post("/requests/1/refuse", {"refusal": "unknown_owner", "for_a_year": True})
    assert (refused.status_code, refused.json["state"]) == (200, "refused")
    assert editor.post("/requests/1/refuse", {"refusal": "no reason"}).status_code == 400


def test_a_request_outside_the_scope_is_not_found(program, asked):
    elsewhere = program(Role.EDITOR, scope=Scope(homeservers=frozenset({GUESTS})))
    assert elsewhere.get("/requests/1").status_code == 404
    assert elsewhere.post("/requests/1/ask", {"question": "Who?"}).status_code == 404
    assert elsewhere.get("/requests").json["items"] == []


def test_those_who_asked_are_shown_with_a_reason_and_the_answer_is_kept_nowhere(
    editor, program, asked, services
):
    assert editor.post("/requests/1/people", {}).json["org.guichet.field"] == "reason"
    body = {"reason": WHY}
    shown = editor.post("/requests/1/people", body, Idempotency_Key="k1")
    assert f"jean@{NORMANDIE}" in {each["address"] for each in shown.json["requesters"]}
    again = editor.post("/requests/1/people", body, Idempotency_Key="k1")
    assert (again.data, again.headers["Idempotent-Replayed"]) == (shown.data, "true")
    with services.database.reading() as session:
        (row,) = journal.find_recent(session, limit=1)
        kept = session.query(KeptAnswer).one()
        assert "jean@" not in services.vault.open(kept.answer).get_secret_value()
    assert (row.subject, row.reason, "jean" in row.facts) == ("D-1", WHY, False)
    assert program(Role.VIEWER).post("/requests/1/people", body).status_code == 403
