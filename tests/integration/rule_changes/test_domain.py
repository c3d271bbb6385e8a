"""`guichet domain add`, `remove`, `list`, `show`."""

import pytest

from tests.worlds.command_line import *
from tests.worlds.command_line import EDUCATION, GUESTS

TO_EDUCATION = ("--homeserver", EDUCATION)


def names(run) -> list[str]:
    rules = run.json("domain", "list")["rules"]
    return [f"{rule['kind']}:{rule['pattern']}" for rule in rules if rule["pattern"]]


def test_a_domain_is_opened(federation):
    shown = federation.json("domain", "add", "AC-Rouen.example", *TO_EDUCATION)
    (rule,) = shown["added"]
    assert (rule["kind"], rule["pattern"]) == ("domain", "ac-rouen.example")
    assert (rule["account_class"], rule["requires_invite"]) == ("agent", False)
    assert shown["revision"] == 2
    assert names(federation) == ["domain:ac-rouen.example"]


@pytest.mark.parametrize(
    ("pattern", "options", "name"),
    [
        ("@interieur.example", ("--suffix",), "suffix:interieur.example"),
        ("Ana@Asso.example", (), "address:ana@asso.example"),
        ("académie.example", (), "domain:xn--acadmie-eya.example"),
    ],
)
def test_the_kind_follows_from_the_pattern(federation, pattern, options, name):
    federation("domain", "add", pattern, *TO_EDUCATION, *options)
    assert names(federation) == [name]


def test_a_dry_run_shows_the_difference_and_writes_nothing(federation):
    result = federation("domain", "add", "ac-rouen.example", *TO_EDUCATION, "--dry-run")
    assert result.stdout.startswith("+ domain:ac-rouen.example  agent → education.example")
    assert "Nothing was written" in result.stderr
    assert names(federation) == []
    assert federation.json("domain", "list")["revision"] == 1


def test_saying_it_again_publishes_nothing(federation):
    for _ in range(2):
        result = federation("domain", "add", "ac-rouen.example", *TO_EDUCATION)
    assert "Nothing to change" in result.stderr
    assert federation.json("domain", "list")["revision"] == 2


def test_another_rule_for_the_same_is_a_change(federation):
    federation("domain", "add", "ac-rouen.example", *TO_EDUCATION)
    shown = federation.json("domain", "add", "ac-rouen.example", *TO_EDUCATION, "--note", "new")
    assert not shown["added"]
    assert [(each["from"]["note"], each["to"]["note"]) for each in shown["changed"]] == [
        ("", "new")
    ]


def test_a_sibling_is_not_open_and_names_the_other_domain(federation):
    federation("domain", "add", "ac-normandie.example", "--sibling-of", "AC-ROUEN.example")
    advice = federation.json("address", "explain", "ana@ac-normandie.example")["advice"]
    assert advice["sibling"] == "ac-rouen.example"
    own = ("domain", "add", "ac-rouen.example", "--sibling-of", "ac-rouen.example")
    assert "own sibling" in federation(*own, ends=1).stderr


def test_either_a_homeserver_or_a_sibling(federation):
    both = (*TO_EDUCATION, "--sibling-of", "ac-rouen.example")
    federation("domain", "add", "ac-normandie.example", ends=2)
    federation("domain", "add", "ac-normandie.example", *both, ends=2)
    assert names(federation) == []


def test_an_unknown_homeserver_is_answered_with_close_names(federation):
    result = federation(
        "domain", "add", "ac-rouen.example", "--homeserver", "educaton.example", ends=1
    )
    assert "Close names: education.example" in result.stderr


def test_people_of_a_homeserver_for_guests_are_guests(federation):
    federation("domain", "add", "asso.example", "--homeserver", GUESTS)
    federation("domain", "add", "other.example", *TO_EDUCATION, "--guest")
    for rule in federation.json("domain", "list")["rules"]:
        assert (rule["account_class"], rule["requires_invite"]) == ("guest", True)


@pytest.mark.parametrize("domain", ["gmail.com", "yopmail.com", "asso.fr"])
def test_nobodys_own_domain_is_refused_to_agents_by_policy(federation, domain):
    refused = federation("domain", "add", domain, *TO_EDUCATION, ends=3)
    assert domain in refused.stderr
    assert names(federation) == []
    federation("domain", "add", domain, *TO_EDUCATION, "--guest")
    federation("domain", "add", domain, *TO_EDUCATION, "--allow-public")
    assert names(federation) == [f"domain:{domain}"]


def test_one_address_of_a_free_mail_service_may_be_an_agents(federation):
    federation("domain", "add", "ana@gmail.com", *TO_EDUCATION)
    assert names(federation) == ["address:ana@gmail.com"]


@pytest.mark.parametrize("pattern", ["*.ac-rouen.example", "localhost", "a b.example", "ana@", ""])
def test_what_is_no_domain_is_refused_with_a_reason(federation, pattern):
    assert "is not a" in federation("domain", "add", pattern, *TO_EDUCATION, ends=1).stderr


def test_a_rule_is_taken_away(federation):
    federation("domain", "add", "ac-rouen.example", *TO_EDUCATION)
    federation("domain", "remove", "ac-rouen.example", "--dry-run")
    assert names(federation) == ["domain:ac-rouen.example"]
    shown = federation("domain", "remove", "AC-ROUEN.example")
    assert shown.stdout.startswith("- domain:ac-rouen.example")
    assert names(federation) == []
    federation("domain", "remove", "default")
    assert federation.json("domain", "list")["rules"] == []


def test_taking_away_what_is_not_there_says_what_is(federation):
    federation("domain", "add", "ac-rouen.example", *TO_EDUCATION, "--suffix")
    result = federation("domain", "remove", "ac-rouen.example", ends=1)
    assert "there is suffix:ac-rouen.example" in result.stderr


def test_the_list_may_be_of_one_homeserver(federation):
    federation("domain", "add", "ac-rouen.example", *TO_EDUCATION)
    result = federation("domain", "list", "--homeserver", EDUCATION)
    assert result.stdout.splitlines() == ["domain:ac-rouen.example\tagent → education.example\t"]


def test_everything_about_a_domain_is_shown_also_without_a_rule(federation):
    for name in ("ac-rouen.example", "ac-r0uen.example"):
        federation("domain", "add", name, *TO_EDUCATION)
    until = ("--until", "2d", "--reason", "ticket 7")
    federation("freeze", "domain", "ac-rouen.example", *until)
    federation("mail", "pause", "--domain", "ac-rouen.example", *until)
    shown = federation("domain", "show", "@AC-Rouen.example").stdout
    for line in (
        *("rule domain:ac-rouen.example agent → education.example", "accounts agent 0, guest 0"),
        *("looks like ac-r0uen.example (looks)", "requests none", "invitations waiting 0"),
    ):
        assert line in [" ".join(each.split()) for each in shown.splitlines()]
    assert ("frozen  " in shown, "mails paused  " in shown) == (True, True)
    told = federation.json("domain", "show", "closed.example")
    assert (told["rule"], told["is_open"], told["shared_mailboxes"]) == (None, False, [])
    assert told["look_alikes"] == told["requests"] == told["mail_pauses"] == []
    assert "is not a domain" in federation("domain", "show", "no domain", ends=1).stderr
