"""The journal by the admin API: searched, and masked for all but auditors."""

import json

from identity.core import journal
from identity.operators.roles import Role
from tests.worlds.admin_api import *


def test_names_in_the_journal_are_masked_but_for_auditors_whatever_stands_beside_them(
    program, services, clock
):
    facts = {"note": "see\nbob.b@asso.example", "rules": {"address:bob.b@asso.example": ["\\x"]}}
    with services.database.transaction() as session:
        journal.write(
            session, clock(), SHELL, action="test.it", subject="bob.b@x.example", facts=facts
        )
    masked = program(Role.VIEWER).get("/journal?action=test")
    assert masked.status_code == 200, masked.text
    [row] = masked.json["items"]
    assert row["facts"]["note"] == "see\nb•••@asso.example"
    assert "bob" not in json.dumps(row)
    [whole] = program(Role.AUDITOR).get("/journal?action=test").json["items"]
    assert whole["facts"] == facts


def test_the_journal_is_searched_by_who_by_which_door_and_when(program, clock):
    caller = program(Role.AUDITOR)
    earlier = clock()
    clock.advance(days=1)
    program(Role.VIEWER)

    def actions(query):
        return {each["action"] for each in caller.get(f"/journal?{query}").json["items"]}

    since = clock().isoformat().replace("+", "%2B")
    assert actions(f"since={since}&actor=root") == {"operator.add", "token.add"}
    assert not actions(f"until={earlier.isoformat().replace('+', '%2B')}")
    assert actions("origin=the%20shell") >= {"operator.add"}
    assert not actions("origin=console")
    assert caller.get("/journal?since=x").json["org.guichet.field"] == "since"
