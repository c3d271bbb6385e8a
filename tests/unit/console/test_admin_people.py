"""Support opens one person's file by the admin API: with a reason, for half an hour, in its scope."""

from datetime import timedelta

import pytest

from identity.core import journal
from identity.invitations.history import InvitationEvent
from identity.invitations.models import ThirdPartyInvitation
from identity.operators.kept_answers import KeptAnswer
from identity.operators.roles import Role, Scope
from tests.worlds.admin_api import *

CAMILLE = "camille.durand@ac-rouen.example"


@pytest.fixture
def support(program):
    return program(Role.SUPPORT)


@pytest.fixture
def file(support, request_):
    """Camille has typed her address; support opens her file."""
    answer = support.post("/people/search", {"address": "Camille.Durand@ac-rouen.example"} | REASON)
    assert answer.status_code == 201, answer.text
    return answer


REASON = {"reason": "ticket 4412"}


def test_a_file_needs_a_reason_and_stands_at_a_path_without_an_address(support, file, services):
    refused = support.post("/people/search", {"address": CAMILLE, "reason": ""})
    assert (refused.status_code, refused.json["org.guichet.field"]) == (400, "reason")
    assert (file.json["address"], file.json["reason"]) == (CAMILLE, "ticket 4412")
    assert "@" not in file.headers["Location"]
    with services.database.reading() as session:
        (row,) = journal.find_recent(session, limit=1)
    assert (row.action, row.reason) == ("person.open", "ticket 4412")
    assert "camille" not in row.subject + row.facts


def test_the_story_is_read_page_by_page(support, file):
    story = support.get(f"/people/{file.json['id']}/story")
    assert story.status_code == 200, story.text
    assert story.json["items"]
    assert story.json["next"] is None


def test_after_half_an_hour_it_is_closed(support, file, clock):
    path = f"/people/{file.json['id']}"
    assert support.get(path).status_code == 200
    clock.advance(minutes=30)
    assert support.get(path).status_code == 404


def test_nobody_else_reads_it(program, file):
    assert program(Role.SUPPORT).get(f"/people/{file.json['id']}").status_code == 404
    answer = program(Role.ADMIN).get(f"/people/{file.json['id']}")
    assert (answer.status_code, answer.json["org.guichet.reason"]) == (403, "role")


def test_a_person_outside_the_scope_is_not_found(program):
    elsewhere = program(Role.SUPPORT, scope=Scope(homeservers=frozenset({GUESTS})))
    answer = elsewhere.post("/people/search", {"address": CAMILLE} | REASON)
    assert answer.status_code == 404


def test_what_helps_is_done_once_or_said_to_be_needless(support, file, clock):
    path = f"/people/{file.json['id']}"
    assert support.post(f"{path}/unlock-codes").status_code == 409
    assert support.post(f"{path}/free-address").status_code == 409
    clock.advance(minutes=5)
    sent = support.post(f"{path}/resend")
    assert (sent.status_code, sent.json["template"]) == (200, "verify")


def test_no_token_exports_or_erases_anybody(program, file):
    everything = program(*(set(Role) - {Role.AUDITOR}))
    for verb in ("export", "erase"):
        answer = everything.post(f"/people/{file.json['id']}/{verb}")
        assert answer.json["org.guichet.reason"] == "second_factor"


def test_no_address_comes_into_the_log(support, caplog):
    caplog.set_level("INFO")
    support.post("/people/search", {"address": CAMILLE} | REASON)
    assert "camille" not in caplog.text


def test_a_file_that_is_asked_for_again_is_told_while_it_is_open_and_kept_nowhere(
    support, request_, services, clock
):
    asked = {"address": CAMILLE} | REASON
    first = support.post("/people/search", asked, Idempotency_Key="k1")
    with services.database.reading() as session:
        row = session.query(KeptAnswer).one()
        assert "camille" not in services.vault.open(row.answer).get_secret_value()
    again = support.post("/people/search", asked, Idempotency_Key="k1")
    assert (again.status_code, again.data) == (201, first.data)
    assert again.headers["Idempotent-Replayed"] == "true"
    with services.database.reading() as session:
        assert len(list(journal.find_by_action(session, "person.open"))) == 1
    clock.advance(minutes=30)
    assert support.post("/people/search", asked, Idempotency_Key="k1").status_code == 404


def test_a_file_is_closed_and_then_not_found(support, file):
    path = f"/people/{file.json['id']}"
    assert support.post(f"{path}/close", REASON).json == {"closed": True}
    assert support.get(path).status_code == 404


def test_who_else_took_part_is_shown_one_by_one_and_journaled(support, request_, services, clock):
    invited_by = "@zoe:education.example"
    with services.database.transaction() as session:
        invitation = invitation_of(clock(), CAMILLE, invited_by)
        session.add(invitation)
        session.flush()
        session.add(
            InvitationEvent(invitation_id=invitation.id, at=clock(), happened="stored", by="zoe")
        )
    file = support.post("/people/search", {"address": CAMILLE} | REASON).json
    path = f"/people/{file['id']}"
    masked = [each for each in support.get(f"{path}/story").json["items"] if each["is_masked"]]
    assert masked
    assert "zoe" not in str(masked)
    event = {name: masked[0][name] for name in ("what", "key")}
    assert support.post(f"{path}/show", event | REASON).json == {"shown": True}
    assert invited_by in support.get(f"{path}/story").text
    with services.database.reading() as session:
        (row,) = journal.find_recent(session, limit=1)
    assert (row.action, row.reason) == ("person.show_neighbour", "ticket 4412")
    unknown = {"what": "nothing", "key": "none"}
    assert support.post(f"{path}/show", unknown | REASON).status_code == 409


def invitation_of(now, address, sender):
    return ThirdPartyInvitation(
        address=address,
        room_id="!room:education.example",
        sender=sender,
        token="t",
        public_key="p",
        sealed_key="s",
        signing_key_id="ed25519:0",
        facts={},
        for_guest=False,
        created_at=now,
        expires_at=now + timedelta(days=30),
    )
