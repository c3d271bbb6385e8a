"""`guichet backup` and `guichet restore` as an operator types them."""

import json
import os
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from identity.core import continuity
from identity.core.clock import utc_now
from identity.core.continuity import Installation
from identity.core.journal import JournalEntry
from identity.core.sealing import new_pair
from identity.homeservers.credentials import HomeserverCredential
from identity.invitations.lost import LostInvitation
from identity.mail import models as mails
from identity.mail.quota import Template
from tests.services.keys import KEYS, WORKER_KEYS
from tests.worlds.command_line import *
from tests.worlds.command_line import EDUCATION

OTHER_HALF, OTHER_PUBLIC = new_pair()


@pytest.fixture
def production(sqlite_url, run):
    """The keys are given, as in production; a homeserver's secrets are stored."""
    env = {**KEYS, "GUICHET_DATABASE_URL": sqlite_url}

    def guichet(*words: str, ends: int = 0, **more: str):
        return run(*words, ends=ends, env=env | more)

    secret = run.file("secret", "a secret\n")
    guichet(
        *("homeserver", "add", EDUCATION, "--url", "https://matrix.education.example"),
        *("--connector", "synapse", "--registration-secret-file", secret),
        *("--admin-token-file", secret),
    )
    guichet("keys", "rotate")
    guichet("db", "upgrade")
    return guichet


def findings(production, what: str) -> list[str]:
    told = json.loads(production("doctor", "--json", ends=1).stdout)
    return [each["told"] for each in told if each["what"] == what]


def dump(tmp_path: Path, *, hours: float = 0, content: bytes = b"PGDMP") -> str:
    file = tmp_path / "guichet.dump"
    file.write_bytes(content)
    made_at = (utc_now() - timedelta(hours=hours)).timestamp()
    os.utime(file, (made_at, made_at))
    return str(file)


def row(opened) -> Installation:
    with opened.reading() as session:
        return continuity.find(session)


def test_a_fresh_dump_is_recorded_and_doctor_is_content(production, tmp_path, opened):
    with opened.transaction() as session:
        session.execute(update(Installation).values(made_at=utc_now() - timedelta(days=3)))
    assert findings(production, "backup") == ["none was ever seen"]
    told = json.loads(production("backup", "check", dump(tmp_path), "--json", **WORKER_KEYS).stdout)
    assert told["is_good"]
    assert {"what": "secrets of homeservers", "tried": 2, "closed": 0} in told["keys"]
    assert any(each["what"] == "signing_keys.sealed_seed" for each in told["keys"])
    assert row(opened).backup_of is not None
    assert "made" in findings(production, "backup")[0]


def test_a_day_later_doctor_says_that_no_backup_was_seen(production, tmp_path, opened):
    production("backup", "check", dump(tmp_path, hours=20))
    with opened.transaction() as session:
        old = row(opened).backup_of - timedelta(hours=7)
        session.execute(update(Installation).values(backup_of=old))
    assert findings(production, "backup")[0].startswith("the last was made")


def test_in_its_first_day_and_at_home_nobody_is_asked_for_a_backup(production, run):
    assert findings(production, "backup") == []
    assert "backup" not in {each["what"] for each in run.json("doctor", ends=1)}


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        ({"hours": 27}, "more than 26 hours ago"),
        ({"content": b""}, "is empty"),
    ],
)
def test_an_old_or_empty_file_fails_and_is_not_recorded(
    production, tmp_path, opened, made, sentence
):
    result = production("backup", "check", dump(tmp_path, **made), ends=1)
    assert sentence in result.output
    assert row(opened).backup_of is None


def test_how_old_it_may_be_can_be_said(production, tmp_path, opened):
    production("backup", "check", dump(tmp_path, hours=100), "--max-age", "200")
    assert row(opened).backup_of is not None


def test_a_file_that_is_missing_or_a_folder_is_told_in_a_sentence(production, tmp_path):
    for path in (tmp_path / "none", tmp_path):
        result = production("backup", "check", str(path), ends=2)
        assert "Traceback" not in result.output


def test_without_the_keys_of_the_worker_what_it_opens_is_not_tried_and_that_is_said(production):
    result = production("backup", "check")
    assert "worker's keys are not here" in result.output
    assert "secrets of homeservers" not in result.stdout


@pytest.mark.parametrize(
    "wrong",
    [
        {"GUICHET_STORAGE_KEYS": "another key for the secrets of the tests"},
        {
            "GUICHET_HOMESERVER_KEYS": OTHER_HALF.get_secret_value(),
            "GUICHET_HOMESERVER_PUBLIC_KEY": OTHER_PUBLIC.text,
        },
    ],
    ids=["storage keys", "keys of the worker"],
)
def test_keys_that_do_not_open_what_is_stored_fail_whatever_the_file_is(
    production, tmp_path, opened, wrong
):
    result = production("backup", "check", dump(tmp_path), ends=1, **wrong)
    assert "give the old keys as well" in result.output
    assert row(opened).backup_of is None


def test_begin_plan_and_resume_tell_what_they_do(production, opened):
    assert "Nothing is held" in production("restore", "plan").output
    assert "nothing to resume" in production("restore", "resume", ends=1).output
    dry = json.loads(production("restore", "begin", "--dry-run", "--json").stdout)
    assert dry["dry_run"]
    assert row(opened).held_since is None
    told = production("restore", "begin", "--author", "olga", "--reason", "the disk died")
    assert f"guichet homeserver rotate-credential {EDUCATION}" in told.output
    assert "mails not sent" in told.stdout
    assert "All jobs are held" in told.output
    plan = json.loads(production("restore", "plan", "--json").stdout)
    assert plan["why"] == continuity.BEGUN
    assert "begin was run" in production("restore", "dismiss", ends=1).output
    assert findings(production, "held")
    production("restore", "resume", "--dry-run")
    assert row(opened).held_since is not None
    assert "carried out again" in production("restore", "resume").output
    assert row(opened).held_since is None
    with opened.reading() as session:
        rows = session.scalars(select(JournalEntry).order_by(JournalEntry.number)).all()
    assert [(each.action, each.actor) for each in rows if each.actor == "olga"] == [
        ("restore.begin", "olga")
    ]


def test_doctor_reminds_of_old_credentials_until_they_are_renewed(production, opened):
    production("restore", "begin")
    assert any("may be valid again" in each for each in findings(production, EDUCATION))
    production("homeserver", "rotate-credential", EDUCATION)
    assert not any("may be valid again" in each for each in findings(production, EDUCATION))
    with opened.reading() as session:
        assert len(session.scalars(select(HomeserverCredential)).all()) == 2


def test_doctor_does_not_advise_to_send_what_may_have_left(production, opened):
    with opened.transaction() as session:
        for number in range(2):
            mails.order(
                session,
                utc_now(),
                template=Template.WELCOME,
                address=f"p{number}@ac-rouen.example",
                language="fr",
                subject_id=uuid.uuid4(),
            )
    production("restore", "begin")
    (told,) = findings(production, "mails")
    assert "2 were not sent after a restore" in told


def test_a_false_alarm_is_dismissed(production, opened):
    with opened.transaction() as session:
        continuity.find(session).held_since = utc_now()
        continuity.find(session).held_why = continuity.WENT_BACK
    assert "needs guichet restore begin first" in production("restore", "resume", ends=1).output
    assert "carried out again" in production("restore", "dismiss").output
    assert row(opened).held_since is None


def test_lost_invitations_are_listed_by_inviter(production, opened):
    assert production("restore", "lost").stdout == ""
    with opened.transaction() as session:
        for number, emptied in enumerate((None, utc_now())):
            session.add(
                LostInvitation(
                    token=str(number),
                    room_id="!room:education.example",
                    sender="@zoe:education.example",
                    shown="gil...@ass...",
                    found_at=utc_now(),
                    emptied_at=emptied,
                )
            )
    shown = production("restore", "lost").stdout.splitlines()
    assert len(shown) == 2
    assert shown[0].split("\t")[:3] == [
        "@zoe:education.example",
        "!room:education.example",
        "gil...@ass...",
    ]
    assert len(json.loads(production("restore", "lost", "--limit", "1", "--json").stdout)) == 1
