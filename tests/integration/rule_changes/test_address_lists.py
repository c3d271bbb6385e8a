"""`guichet shared-mailbox` and `guichet never-agent`."""

import pytest

from tests.worlds.command_line import *
from tests.worlds.command_line import EDUCATION

TO_EDUCATION = ("--homeserver", EDUCATION)


@pytest.fixture
def state(federation):
    """What people are told who type a name at an open domain."""
    federation("domain", "add", "ac-rouen.example", *TO_EDUCATION)
    return lambda name: federation.json("address", "explain", f"{name}@ac-rouen.example")["advice"][
        "state"
    ]


def test_a_mailbox_is_put_on_the_list_and_taken_off(federation, state):
    assert state("vie.scolaire") == "open"
    federation("shared-mailbox", "add", "Vie_Scolaire")
    assert state("vie.scolaire") == state("vie-scolaire") == "shared_mailbox"
    assert federation.json("shared-mailbox", "list") == [
        {"entry": "vie-scolaire", "is_listed": True}
    ]
    federation("shared-mailbox", "remove", "vie-scolaire")
    assert state("vie.scolaire") == "open"
    assert federation.json("shared-mailbox", "list") == []


def test_what_comes_with_guichet_can_be_taken_off_and_put_back(federation, state):
    assert state("contact") == "shared_mailbox"
    federation("shared-mailbox", "remove", "contact")
    assert state("contact") == "open"
    assert state("contact.rh") == "shared_mailbox", "the first word is another entry"
    federation("shared-mailbox", "add", "contact")
    assert state("contact") == "shared_mailbox"
    assert federation.json("shared-mailbox", "list") == []


def test_a_first_word_stands_for_every_mailbox_that_begins_with_it(federation, state):
    federation("shared-mailbox", "add", "pole-*")
    assert state("pole.formation") == "shared_mailbox"
    assert state("pole") == "open"
    assert "one word" in federation("shared-mailbox", "add", "a-b-*", ends=1).stderr
    assert "before the @" in federation("shared-mailbox", "add", "a b", ends=1).stderr


def test_a_domain_on_the_list_is_refused_to_agents(federation):
    federation("never-agent", "add", "Libre.example")
    refused = federation("domain", "add", "libre.example", *TO_EDUCATION, ends=3)
    assert "on the list of this service" in refused.stderr
    federation("never-agent", "remove", "gmail.com")
    federation("domain", "add", "gmail.com", *TO_EDUCATION)
    assert "is not a domain" in federation("never-agent", "add", "x", ends=1).stderr


def test_a_dry_run_changes_nothing_and_a_change_is_in_the_journal(federation):
    shown = federation.json("never-agent", "add", "libre.example", "--dry-run")
    assert shown == {"entry": "libre.example", "changed": True, "dry_run": True}
    assert federation.json("never-agent", "list") == []
    federation("never-agent", "add", "libre.example", "--author", "Ana")
    again = federation("never-agent", "add", "libre.example")
    assert "Nothing to change" in again.stderr
    (entry,) = federation.json("journal", "list", "--action", "never_agent")
    assert (entry["actor"], entry["subject"]) == ("Ana", "libre.example")
    assert entry["facts"] == {"is_listed": True}
