"""`guichet address explain`."""

import pytest

from tests.worlds.command_line import *
from tests.worlds.command_line import EDUCATION, GUESTS


@pytest.fixture
def rules(federation):
    """Rouen open, Normandie its sibling, one guest there by name."""
    federation("domain", "add", "ac-rouen.example", "--homeserver", EDUCATION)
    federation("domain", "add", "ac-normandie.example", "--sibling-of", "ac-rouen.example")
    federation("domain", "add", "gil@ac-rouen.example", "--homeserver", EDUCATION, "--guest")
    return federation


def test_the_way_to_a_decision_is_shown(rules):
    shown = rules.json("address", "explain", " Ana.Agent@AC-Rouen.example ")
    assert shown["canonical"] == "ana.agent@ac-rouen.example"
    assert [(each["rule"], each["matched"], each["won"]) for each in shown["tried"]] == [
        ("address:ana.agent@ac-rouen.example", False, False),
        ("domain:ac-rouen.example", True, True),
        ("suffix:ac-rouen.example", False, False),
        ("suffix:example", False, False),
        ("default", True, False),
    ]
    assert shown["decision"] == {
        "homeserver": EDUCATION,
        "protected_homeserver": None,
        "account_class": "agent",
        "requires_invite": False,
        "organisation": "",
        "sibling": None,
        "rule": "domain:ac-rouen.example",
        "reason": "open",
        "extra_signs": "",
        "revision": 4,
    }
    assert shown["advice"] == {"state": "open", "suggestion": None, "sibling": None}


def test_a_domain_takes_more_signs_before_the_at_once_its_rule_says_so(federation):
    add = ("domain", "add", "ac-rouen.example", "--homeserver", EDUCATION)
    federation(*add)
    shown = federation.json("address", "explain", "r&d@ac-rouen.example")
    assert shown["decision"]["reason"] == "local_part"
    assert shown["decision"]["homeserver"] is None
    told = federation("address", "explain", "r&d@ac-rouen.example").stdout
    assert "see --extra-signs" in told
    federation(*add, "--extra-signs", "&=")
    shown = federation.json("address", "explain", "r&d@ac-rouen.example")
    assert shown["decision"]["account_class"] == "agent"
    assert shown["decision"]["extra_signs"] == "=&"
    assert "extra signs" in federation("address", "explain", "r&d@ac-rouen.example").stdout
    exported = federation("domain", "export", "--format", "csv").stdout
    assert ",'=&\n" in exported.replace("\r\n", "\n")


def test_a_sign_that_no_rule_may_open_is_refused(federation):
    add = ("domain", "add", "ac-rouen.example", "--homeserver", EDUCATION)
    refused = federation(*add, "--extra-signs", "%", ends=2)
    assert "--extra-signs" in refused.stderr


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("ana@ac-rouen.example", "go on"),
        ("ana@ac-ruoen.example", "they may have meant ana@ac-rouen.example"),
        ("ana@ac-normandie.example", "use an address of ac-rouen.example"),
        ("contact@ac-rouen.example", "use your own address"),
        ("gil@ac-rouen.example", "wait for an invitation"),
        ("gil@elsewhere.example", "wait for an invitation"),
    ],
)
def test_what_people_are_told_is_shown(rules, address, told):
    (line,) = [
        line
        for line in rules("address", "explain", address).stdout.splitlines()
        if line.startswith("people are told")
    ]
    assert told in line


def test_without_a_default_it_is_nobodys(run):
    shown = run.json("address", "explain", "gil@elsewhere.example")
    assert shown["decision"]["reason"] == "nobody"
    assert "nobody" in run("address", "explain", "gil@elsewhere.example").stdout


def test_what_is_no_address_has_a_reason(rules):
    shown = rules.json("address", "explain", "ana@@ac-rouen.example", ends=1)
    assert shown == {"error": "It contains more than one @.", "reason": "two_ats"}
    plain = rules("address", "explain", "ana@@ac-rouen.example", ends=1)
    assert not plain.stdout
    assert "more than one @" in plain.stderr


def test_guests_come_in_where_they_are_sent(rules):
    decision = rules.json("address", "explain", "gil@elsewhere.example")["decision"]
    assert (decision["homeserver"], decision["requires_invite"]) == (GUESTS, True)
