"""`guichet keys` and `guichet pepper`: what an operator does about them, and what stays as it was."""

import pytest

from identity.signing import new_key
from identity.storage import associations, journal, lookup, peppers

SYDENT = "ed25519 0 ERrwoB3j4PhAphRfLQgqrJx2p3jgHK5hz5bJ36Wqmts"
NAME = "ed25519:0"


def names(run) -> list[tuple[str, bool]]:
    return [(key["key_id"], key["signs"]) for key in run.json("keys", "list")]


def test_a_fresh_service_has_no_key_yet(run):
    assert run.json("keys", "list") == []


def test_a_rotation_makes_the_key_that_signs_and_keeps_the_old_one(run):
    first = run.json("keys", "rotate")["key_id"]
    second = run.json("keys", "rotate")["key_id"]
    assert names(run) == [(second, True), (first, False)]


def test_a_dry_run_writes_nothing(run):
    assert run.json("keys", "rotate", "--dry-run")["dry_run"]
    assert run.json("keys", "import", run.file("key", SYDENT), "--dry-run")["dry_run"]
    assert names(run) == []


@pytest.mark.parametrize(
    "text",
    [
        SYDENT,
        f"{SYDENT}\n",
        f"[crypto]\nother = 1\ned25519.signingkey = {SYDENT}\n",
        f"[crypto]\r\ned25519.signingkey: {SYDENT}=\r\n",
    ],
    ids=["a line", "with its end", "a configuration", "of Windows"],
)
def test_the_key_of_a_sydent_is_taken_over_and_signs(run, text):
    run.json("keys", "rotate")
    taken = run.json("keys", "import", run.file("signing.key", text))
    assert taken["key_id"] == NAME
    assert names(run)[0] == (NAME, True)


def test_the_same_key_twice_changes_nothing(run):
    path = run.file("key", SYDENT)
    run("keys", "import", path)
    newer = run.json("keys", "rotate")["key_id"]
    assert "already" in run("keys", "import", path).stderr
    assert names(run) == [(newer, True), (NAME, False)]


def test_another_key_of_a_name_that_is_taken_is_refused(run):
    run("keys", "import", run.file("key", SYDENT))
    other = f"ed25519 0 {new_key().seed.get_secret_value()}"
    assert "named ed25519:0" in run("keys", "import", run.file("other", other), ends=1).stderr
    assert names(run) == [(NAME, True)]


@pytest.mark.parametrize("text", ["", "nothing", "ed25519 0 short", f"{SYDENT}\n{SYDENT}"])
def test_a_file_without_just_one_key_is_refused(run, text):
    run("keys", "import", run.file("key", text), ends=1)
    assert names(run) == []


def test_no_private_half_is_ever_shown(run):
    seed = SYDENT.split()[2]
    path = run.file("key", SYDENT)
    shown = [run("keys", "import", path), run("keys", "list"), run("keys", "list", "--json")]
    assert not [result for result in shown if seed in result.output + result.stderr]


def test_who_changed_the_keys_stands_in_the_journal(run, opened):
    run("keys", "rotate", "--author", "Olga", "--reason", "yearly")
    run("keys", "import", run.file("key", SYDENT), "--author", "Olga")
    with opened.reading() as session:
        told = [(row.action, row.actor, row.reason) for row in journal.recent(session)]
    assert told == [("keys.import", "Olga", ""), ("keys.rotate", "Olga", "yearly")]


def test_a_rotation_seals_what_is_stored_with_the_newest_storage_key(run, federation, opened):
    old = {"GUICHET_STORAGE_KEYS": "first", "GUICHET_SECRET_KEYS": "links"}
    both = old | {"GUICHET_STORAGE_KEYS": "first,second"}
    new = old | {"GUICHET_STORAGE_KEYS": "second"}
    run("keys", "import", run.file("key", SYDENT), env=old)
    run("keys", "rotate", ends=1, env=new)
    assert names(run) == [(NAME, True)]
    run("keys", "rotate", env=both)
    run("keys", "rotate", env=new)
    assert len(names(run)) == 3
    run("keys", "rotate", ends=1, env=old)
    assert len(names(run)) == 3


def test_peppers_are_rotated_while_people_are_found(run, opened, clock):
    with opened.transaction() as session:
        for name in "abc":
            associations.bind(session, clock(), address=f"{name}@x.example", user_id="@a:x.example")
    assert run.json("pepper", "rotate") == {"associations": 3, "dry_run": False}
    first = current(opened)
    run("pepper", "rotate")
    second = current(opened)
    assert first != second
    for pepper in (first, second):
        hashed = peppers.hashed("b@x.example", "email", pepper)
        with opened.reading() as session:
            now = peppers.current(session).in_force_at
            answer = lookup.by_hash(session, now, pepper=pepper, hashes=[hashed])
        assert answer == {hashed: "@a:x.example"}


def test_a_dry_run_of_a_pepper_changes_nothing(run, opened):
    run("pepper", "rotate")
    before = current(opened)
    assert run.json("pepper", "rotate", "--dry-run") == {"associations": 0, "dry_run": True}
    assert current(opened) == before


def current(opened) -> str:
    with opened.reading() as session:
        return peppers.current(session).pepper
