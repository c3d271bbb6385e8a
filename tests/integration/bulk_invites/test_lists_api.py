"""/api/homeserver/v1/lists: a homeserver hands in lists for its own users, and nobody else's."""

from uuid import UUID

import pytest

from identity.bulk_invites import api, models as bulk_invites
from identity.bulk_invites.models import BulkInviteRow, Step
from identity.core.outbox import Lane
from identity.homeservers import credentials
from identity.threepids import associations
from tests.worlds.api import *
from workers import tasks

ZOE, ADA = "@zoe:education.example", "@ada:education.example"
EVE = "@eve:agents.example"
PATH = "/api/homeserver/v1/lists"
ROOM = "!room:education.example"
PEOPLE = """Nom;Adresse
Léa Petit;lea.petit@asso.example
encore elle;Lea.Petit@ASSO.example
sans arobase;paul.example
Camille;camille.durand@ac-rouen.example
"""


@pytest.fixture
def ask(public, credential):
    def ask(path="", sender=ZOE, **asked):
        query = {"sender": sender, **asked}
        return public.get(f"{PATH}{path}", query_string=query, headers=credential)

    return ask


@pytest.fixture
def act(public, credential):
    def act(path="", sender=ZOE, **body):
        return public.post(f"{PATH}{path}", json={"sender": sender, **body}, headers=credential)

    return act


@pytest.fixture
def checked(act):
    return act(room_id=ROOM, people=PEOPLE, file_name="mars.csv").json


def refused(answer):
    return answer.status_code, answer.json["errcode"]


def outcomes(told):
    return {row["line"]: row["outcome"] for row in told["rows"]}


def test_a_list_is_checked_and_nothing_of_it_is_sent(checked, ask, decided):
    assert outcomes(checked) == {2: "ready", 3: "duplicate", 4: "not_an_address", 5: "ready"}
    assert (checked["state"], checked["file_name"]) == ("checked", "mars.csv")
    assert checked["counts"]["total"] == checked["counts"]["unsent"] == 4
    assert ask(f"/{checked['id']}").json == checked
    (summary,) = ask().json["lists"]
    assert summary.items() <= checked.items()


def test_what_can_be_sent_is_sent_once(checked, act):
    told = act(f"/{checked['id']}/send").json
    assert outcomes(told) == {2: "waiting", 3: "duplicate", 4: "not_an_address", 5: "waiting"}
    assert (told["state"], told["counts"]["waiting"]) == ("sending", 2)
    again = act(f"/{checked['id']}/send")
    assert refused(again) == (409, "org.guichet.invitation_over")


def test_rows_that_failed_are_sent_again_and_only_those(checked, act, decided):
    assert refused(act(f"/{checked['id']}/retry")) == (409, "org.guichet.invitation_over")
    act(f"/{checked['id']}/send")
    with decided.database.transaction() as session:
        (row, _) = bulk_invites.rows_of(
            session, UUID(checked["id"]), BulkInviteRow.step == Step.WAITING
        )
        row.step, row.why = Step.FAILED, "away"
    told = act(f"/{checked['id']}/retry").json
    assert told["counts"]["failed"] == 0
    assert told["counts"]["waiting"] == 2


def test_a_list_is_its_owners_and_its_homeservers_alone(checked, ask, act):
    assert refused(ask(f"/{checked['id']}", sender=ADA)) == (404, "M_NOT_FOUND")
    assert refused(act(f"/{checked['id']}/send", sender=ADA)) == (404, "M_NOT_FOUND")
    assert ask(sender=ADA).json == {"lists": []}
    assert refused(ask(f"/{checked['id']}", sender=EVE)) == (403, "M_FORBIDDEN")
    assert refused(act(sender=EVE, room_id=ROOM, people=PEOPLE)) == (403, "M_FORBIDDEN")


def test_without_a_credential_nothing_is_told(public, checked):
    assert public.get(f"{PATH}/{checked['id']}", query_string={"sender": ZOE}).status_code == 403


@pytest.mark.parametrize("people", ["", "no address at all", "PK\x03\x04 a zip"])
def test_what_is_no_list_is_refused_with_its_fault(act, people):
    answer = act(room_id=ROOM, people=people)
    assert refused(answer) == (400, "M_INVALID_PARAM")
    assert "people" in answer.json["error"]


def test_nobody_invites_themselves(act, decided, clock):
    with decided.database.transaction() as session:
        associations.bind(session, clock(), address="zoe@ac-rouen.example", user_id=ZOE)
    told = act(room_id=ROOM, people="zoe@ac-rouen.example\nlea@asso.example").json
    assert outcomes(told) == {1: "your_own", 2: "ready"}


def test_guests_invite_nobody_by_list_either(public, decided, clock):
    with decided.database.transaction() as session:
        token = credentials.issue(session, clock(), homeserver="guests.example")
    asked = {"sender": "@gil:guests.example", "room_id": ROOM, "people": PEOPLE}
    answer = public.post(PATH, json=asked, headers={"Authorization": f"Bearer {token}"})
    assert refused(answer) == (403, "M_FORBIDDEN")


UNSAID = "lea@asso.example;lea@maison.example\nbea@asso.example;bea@maison.example\n"


def test_where_nobody_knows_the_column_it_is_asked_for_and_nothing_is_sent(act):
    told = act(room_id=ROOM, people=UNSAID).json
    assert (told["column"], told["rows"]) == (None, [])
    assert [each["number"] for each in told["columns"]] == [1, 2, 0]
    assert refused(act(f"/{told['id']}/send")) == (400, "M_INVALID_PARAM")
    assert refused(act(f"/{told['id']}/column", column=7)) == (404, "M_NOT_FOUND")
    chosen = act(f"/{told['id']}/column", column="2").json
    assert [row["typed"] for row in chosen["rows"]] == ["lea@maison.example", "bea@maison.example"]
    assert (chosen["column"]["number"], chosen["elsewhere"]) == (2, 2)
    sent = act(f"/{told['id']}/send").json
    assert (sent["counts"]["waiting"], sent["columns"]) == (2, [])
    assert refused(act(f"/{told['id']}/column", column=1)) == (409, "org.guichet.invitation_over")


def test_the_column_can_be_named_with_the_list(act):
    people = "Nom;Courriel pro;Courriel perso\nLea;lea@asso.example;lea@maison.example\n"
    for column, typed in (
        ("", "lea@asso.example"),
        ("Courriel perso", "lea@maison.example"),
        (3, "lea@maison.example"),
    ):
        told = act(room_id=ROOM, people=people, column=column).json
        assert [row["typed"] for row in told["rows"]] == [typed]
    assert refused(act(room_id=ROOM, people=people, column="Nom")) == (400, "M_INVALID_PARAM")


def test_a_long_list_is_checked_by_the_worker_and_told_a_thousand_rows_at_a_time(act, ask, decided):
    people = "".join(f"personne{n}@asso.example\n" for n in range(2100))
    told = act(room_id=ROOM, people=people).json
    assert (told["state"], told["progress"], told["rows"]) == ("checking", 0, [])
    assert (told["counts"]["total"], told["counts"]["unsent"]) == (2100, 2100)
    refusal = act(f"/{told['id']}/send")
    assert refused(refusal) == (429, "M_LIMIT_EXCEEDED")
    tasks.run_lane(decided, Lane.ACCOUNTS)
    rows, after = [], -1
    while after is not None:
        told = ask(f"/{told['id']}", after=after).json
        rows, after = rows + told["rows"], told["next"]
    assert [row["line"] for row in rows] == list(range(1, 2101))
    assert (told["state"], told["progress"]) == ("checked", 2100)
    assert act(f"/{told['id']}/send").json["state"] == "ordering"
    assert act(f"/{told['id']}/stop").json["state"] == "stopping"
    tasks.run_lane(decided, Lane.ACCOUNTS)
    assert ask(f"/{told['id']}").json["state"] == "done"
    assert refused(act(f"/{told['id']}/stop")) == (409, "org.guichet.invitation_over")


def test_the_last_rows_of_a_list_say_that_no_more_follow(act, ask, monkeypatch):
    monkeypatch.setattr(api, "ROWS", 2)
    told = act(
        room_id=ROOM, people="a@asso.example\nb@asso.example\nc@asso.example\nd@asso.example"
    ).json
    assert told["next"] == 1
    rest = ask(f"/{told['id']}", after=told["next"]).json
    assert ([row["line"] for row in rest["rows"]], rest["next"]) == ([3, 4], None)


@pytest.mark.parametrize("after", ["x", "", "-2", "1e3", "9" * 20, "\u0663"])
def test_what_is_no_place_of_a_list_is_refused_by_name(checked, ask, after):
    assert refused(ask(f"/{checked['id']}", after=after)) == (400, "M_INVALID_PARAM")


def test_a_column_that_no_list_has_is_refused(checked, act):
    assert refused(act(f"/{checked['id']}/column", column=10**20)) == (400, "M_INVALID_PARAM")
