"""`guichet request` in the shell: the same deeds, with a dry run and a reason."""

import pytest

from domain_rules.addresses import EmailAddress
from identity.core.clock import utc_now
from identity.domain_requests import service
from identity.domain_requests.models import Size
from identity.domain_requests.service import Wish
from identity.services import build_services
from identity.settings import Settings
from tests.worlds.command_line import *


@pytest.fixture
def asked(federation, opened):
    federation("domain", "add", "ac-rouen.example", "--homeserver", EDUCATION)
    here = build_services(Settings(_env_file=None, data_dir=federation.folder))
    for name in ("jean@ac-normandie.example", "lea@ac-normandie.example", "max@other.example"):
        with opened.transaction() as session:
            service.ask(
                session,
                here.hashes,
                utc_now(),
                address=EmailAddress.parse(name),
                wish=Wish("Normandie", "chef", Size.UNDER_10),
                language="fr",
            )
    here.database.engine.dispose()
    return federation


def test_requests_are_listed_and_shown_with_masked_addresses(asked):
    listed = asked.json("request", "list")
    assert [(each["request"], each["people"]) for each in listed] == [("D-1", 2), ("D-2", 1)]
    shown = asked.json("request", "show", "D-1")
    assert [each["address"] for each in shown["requesters"]] == [
        *("j•••@ac-normandie.example", "l•••@ac-normandie.example"),
    ]
    assert "jean@" not in asked("request", "show", "1").output
    assert "D-9" in asked("request", "show", "D-9", ends=1).output


def test_a_dry_run_writes_nothing_and_a_decision_is_final(asked):
    words = ("request", "accept", "D-1", "--homeserver", EDUCATION)
    assert asked.json(*words, "--dry-run")["change"].startswith("C-")
    assert asked.json("request", "show", "D-1")["state"] == "open"
    done = asked.json(*words, "--organisation", "Normandie")
    assert done["request"]["state"] == "accepted"
    late = asked("request", "refuse", "D-1", "--why", "not_ours", ends=3)
    assert "Nothing was changed" in late.output


def test_refuse_ask_merge_later_and_reopen(asked):
    assert asked.json("request", "ask", "D-1", "Who runs it?")["request"]["state"] == "asked"
    asked("request", "later", "D-1", "--days", "7")
    assert [each["request"] for each in asked.json("request", "list")] == ["D-2"]
    asked("request", "merge", "D-2", "D-1")
    refused = asked.json(
        "request", "refuse", "D-1", "--why", "not_ready", "--note", "Plus tard.", "--for-a-year"
    )
    assert refused["request"]["state"] == "refused"
    assert asked.json("request", "show", "D-2")["refusal"] == "not_ready"
    again = asked.json("request", "reopen", "D-1", "--reason", "a mistake, ticket 7")
    assert again["request"]["state"] == "open"
    actions = {row["action"] for row in asked.json("journal", "list")}
    assert {"request.ask", "request.merge", "request.refuse", "request.reopen"} <= actions
