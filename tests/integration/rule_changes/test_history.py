"""`guichet domain history|diff|rollback`, the effect on people, the journal, and new credentials."""

from datetime import timedelta

import pytest

from identity.core import journal
from identity.homeservers import credentials
from identity.threepids import associations
from tests.worlds.command_line import *
from tests.worlds.command_line import EDUCATION, GUESTS

OPEN = ("domain", "add", "ac-rouen.example", "--homeserver", EDUCATION)
AWAY = ("domain", "add", "ac-rouen.example", "--homeserver", GUESTS)


@pytest.fixture
def rouen(federation, opened, clock):
    """Rouen open, with one agent there: revision 2."""
    federation(*OPEN, "--author", "Ana", "--reason", "ticket 12")
    with opened.transaction() as session:
        associations.bind(
            session, clock(), address="ana@ac-rouen.example", user_id=f"@ana:{EDUCATION}"
        )
    return federation


def test_history_says_who_when_what_and_why(rouen):
    newest, first = rouen.json("domain", "history")
    assert (newest["revision"], newest["author"], newest["reason"]) == (2, "Ana", "ticket 12")
    assert (newest["based_on"], newest["summary"]) == (1, "+1 -0 ~0")
    assert first["reason"] == f"homeserver add {GUESTS}"
    assert "ticket 12" in rouen("domain", "history", "--limit", "1").stdout


def test_the_difference_between_revisions_is_shown(rouen):
    assert rouen("domain", "diff", "1", "2").stdout.startswith("+ domain:ac-rouen.example")
    assert rouen("domain", "diff", "2", "1").stdout.startswith("- domain:ac-rouen.example")
    assert rouen.json("domain", "diff", "0")["base"] == 0
    assert "the newest is 2" in rouen("domain", "diff", "1", "9", ends=1).stderr


def test_a_dry_run_shows_the_effect_on_known_addresses(rouen):
    shown = rouen(*AWAY, "--dry-run")
    assert "Effect on 1 known addresses in reach:" in shown.stdout
    assert "      1  accounts that change homeserver" in shown.stdout
    assert "ac-rouen.example (1)" in shown.stdout
    assert "--base 2" in shown.stderr
    impact = rouen.json(*AWAY, "--dry-run")["impact"]
    assert impact["domains"] == [{"domain": "ac-rouen.example", "addresses": 1}]
    assert (impact["known"], impact["become_guests"]) == (1, 1)


def test_a_move_of_known_accounts_is_refused_until_it_is_meant(rouen):
    refused = rouen(*AWAY, ends=3)
    assert "1 known accounts" in refused.stderr
    assert "--move-accounts" in refused.stderr
    told = rouen(*AWAY, env={"GUICHET_INFO_PERSON_LEVEL": "legacy"})
    assert "Revision 3" in told.stderr
    assert "Revision 4" in rouen(*OPEN, "--move-accounts").stderr


def test_what_was_previewed_is_published_or_nothing(rouen):
    rouen("domain", "add", "b.example", "--homeserver", EDUCATION)
    late = rouen("domain", "add", "c.example", "--homeserver", EDUCATION, "--base", "2", ends=1)
    assert "published other rules meanwhile" in late.stderr
    rouen("domain", "add", "c.example", "--homeserver", EDUCATION, "--base", "3")


def test_a_rollback_is_a_revision_like_any_other(rouen):
    before = rouen.json("domain", "list")["rules"]
    rouen("domain", "add", "b.example", "--homeserver", EDUCATION)
    shown = rouen("domain", "rollback", "2", "--dry-run")
    assert shown.stdout.startswith("- domain:b.example")
    rouen("domain", "rollback", "2")
    assert rouen.json("domain", "list") == {"revision": 4, "rules": before}
    assert rouen.json("domain", "history")[0]["reason"] == "back to revision 2"
    assert "no revision 9" in rouen("domain", "rollback", "9", ends=1).stderr


def test_an_address_is_explained_as_of_then(rouen):
    ana = ("address", "explain", "ana@ac-rouen.example")
    assert rouen.json(*ana)["decision"]["revision"] == 2
    then = rouen.json(*ana, "--revision", "1")["decision"]
    assert (then["reason"], then["revision"]) == ("invite_required", 1)
    assert "no revision 7" in rouen(*ana, "--revision", "7", ends=1).stderr


def test_the_journal_tells_and_is_checked(rouen, opened):
    actions = [entry["action"] for entry in rouen.json("journal", "list")]
    assert actions.count("rules.publish") == 2
    assert actions.count("homeserver.add") == 2
    newest = rouen.json("journal", "list", "--action", "rules")[0]
    assert (newest["actor"], newest["reason"], newest["subject"]) == (
        "Ana",
        "ticket 12",
        "revision 2",
    )
    assert newest["facts"]["added"] == [f"domain:ac-rouen.example → {EDUCATION}"]
    assert "revision 2" in rouen("journal", "list").stdout
    head = rouen("journal", "verify").stdout.strip()
    rouen("journal", "verify", "--head", head)
    with opened.transaction() as session:
        session.get_one(journal.JournalEntry, 3).reason = "none at all"
    assert "row 3" in rouen("journal", "verify", ends=1).stderr
    assert rouen.json("journal", "verify", ends=1)["fault"]["number"] == 3


def test_a_new_credential_is_good_beside_the_old_one_for_a_while(federation, opened, clock):
    old = federation("homeserver", "rotate-credential", EDUCATION).stdout.strip()
    shown = federation.json("homeserver", "rotate-credential", EDUCATION, "--overlap", "2")
    federation("homeserver", "rotate-credential", EDUCATION, "--dry-run")
    with opened.reading() as session:
        row = session.query(credentials.HomeserverCredential).all()
        assert len(row) == 4  # of two homeservers the first, and two more
        began = max(each.created_at for each in row)
        for token, hours, good in (
            (old, 1, EDUCATION),
            (old, 2, None),
            (shown["credential"], 10_000, EDUCATION),
        ):
            at = began + timedelta(hours=hours)
            assert credentials.homeserver_of(session, token, at) == good
    assert "not registered" in federation("homeserver", "rotate-credential", "x.y", ends=1).stderr


@pytest.mark.parametrize("noun", ["domain history", "journal list"])
@pytest.mark.parametrize("limit", ["0", "-1", "99999999999999999999"])
def test_a_limit_that_no_database_takes_is_wrong_usage(federation, noun, limit):
    assert "--limit" in federation(*noun.split(), "--limit", limit, ends=2).stderr
