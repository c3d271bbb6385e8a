"""`guichet person`: shown, exported and erased, as an operator does it."""

import json
import stat

import pytest

from identity.core.clock import utc_now
from identity.people import erasure_log
from identity.sign_up import service as sign_up
from tests.worlds.command_line import *

CAMILLE = "camille.durand@ac-rouen.example"
SPELLINGS = ("Camille.DURAND@AC-Rouen.example", " camille.durand@ac-rouen.example ")


@pytest.fixture
def known(federation, opened):
    federation("domain", "add", "ac-rouen.example", "--homeserver", EDUCATION)
    with opened.transaction() as session:
        sign_up.open_confirmed(
            session,
            utc_now(),
            address=CAMILLE,
            homeserver=EDUCATION,
            browser="hers",
            language="fr",
        )
    return federation


@pytest.mark.parametrize("typed", SPELLINGS)
def test_a_person_is_shown_by_every_spelling(known, typed):
    told = known.json("person", "show", typed)
    assert told["address"] == CAMILLE
    assert [each["what"] for each in told["timeline"]][:1] == ["address typed in a browser"]
    assert list(told["data"]) == ["verification_requests"]
    assert "address verified" in known("person", "show", typed).stdout


def test_of_an_unknown_address_nothing_is_known(known):
    for command in ("show", "export"):
        said = known("person", command, "nobody@ac-rouen.example", ends=1).stderr
        assert "nothing is known of nobody@ac-rouen.example" in said
        assert "not an email address" in known("person", command, "nobody", ends=2).stderr


def test_an_export_is_a_file_that_only_its_owner_reads(known, tmp_path):
    path = tmp_path / "camille.json"
    known("person", "export", CAMILLE, "--output", str(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    exported = json.loads(path.read_text())
    assert exported["address"] == CAMILLE
    assert exported["data"]["verification_requests"][0]["state"] == "confirmed"
    assert (
        "exists already" in known("person", "export", CAMILLE, "--output", str(path), ends=1).stderr
    )
    assert json.loads(known("person", "export", CAMILLE).stdout)["data"] == exported["data"]


def test_a_dry_run_erases_nothing_and_logs_nothing(known):
    told = known.json("person", "erase", CAMILLE, "--reason", "asked", "--dry-run")
    assert told["rows"] == {"verification_requests": 1}
    assert told["dry_run"]
    assert known.json("person", "show", CAMILLE)["data"]
    assert not (known.folder / "erasures.jsonl").exists()
    assert all(e["action"] != "person.erase" for e in known.json("journal", "list"))


def test_who_was_erased_is_said_to_be_and_the_journal_stays_whole(known):
    reason = f"asked by letter, from {CAMILLE}"
    said = known("person", "erase", CAMILLE, "--reason", reason, "--author", "olga").stderr
    assert f"1 rows about {CAMILLE} are erased" in said
    told = known.json("person", "show", CAMILLE)
    assert told["erased_at"]
    assert told["data"] == {}
    assert "nothing is stored since" in known("person", "show", CAMILLE).stderr
    known("journal", "verify")
    row = known.json("journal", "list", "--action", "person.erase")[0]
    assert (row["actor"], row["reason"]) == (
        "olga",
        "asked by letter, from c•••@ac-rouen.example",
    )
    log = known.folder / "erasures.jsonl"
    assert len(erasure_log.read(log)) == 1
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    again = known("person", "erase", CAMILLE, "--reason", "again").stderr
    assert "Nothing is stored" in again
    assert len(erasure_log.read(log)) == 1


def test_mails_in_the_folder_of_a_first_look_are_erased_too(known):
    folder = known.folder / "mail"
    folder.mkdir()
    for name, to in (("hers", "Camille.Durand@ac-rouen.example"), ("his", "gil@asso.example")):
        (folder / f"{name}.eml").write_text(f"To: {to}\nSubject: =?utf-8?q?=C3=A9?=\n\nBonjour\n")
    (folder / ".half.1").write_text(f"To: {CAMILLE}\n")
    known("person", "erase", CAMILLE, "--reason", "asked")
    assert [path.name for path in folder.iterdir()] == ["his.eml"]


def test_a_log_that_cannot_be_written_stops_the_erasing(known):
    known(
        *("person", "erase", CAMILLE, "--reason", "asked"),
        env={"GUICHET_ERASURE_LOG": str(known.folder)},
        ends=1,
    )
    assert known.json("person", "show", CAMILLE)["data"]


def test_a_reason_is_wanted_for_what_cannot_be_undone(known):
    assert "--reason" in known("person", "erase", CAMILLE, ends=2).stderr
    assert known.json("person", "show", CAMILLE)["data"]
