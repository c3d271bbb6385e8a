"""`guichet keys` and `guichet pepper`: what an operator does about them, and what stays as it was."""

import pytest
from pydantic import SecretStr

from identity.core import journal
from identity.core.sealing import PUBLIC, PrivateHalves
from identity.core.signatures import new_key
from identity.homeservers import models as homeservers
from identity.services import build_services
from identity.settings import new_secret, read_settings
from identity.threepids import associations, lookup_queries, peppers
from tests.worlds.command_line import *

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
        told = [(row.action, row.actor, row.reason) for row in journal.find_recent(session)]
    assert told == [("keys.import", "Olga", ""), ("keys.rotate", "Olga", "yearly")]


def test_a_rotation_seals_what_is_stored_with_the_newest_storage_key(run, federation, opened):
    first, second = new_secret(), new_secret()
    old = {"GUICHET_STORAGE_KEYS": first, "GUICHET_SECRET_KEYS": new_secret()}
    both = old | {"GUICHET_STORAGE_KEYS": f"{first},{second}"}
    new = old | {"GUICHET_STORAGE_KEYS": second}
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
        hashed = peppers.hash_address("b@x.example", "email", pepper)
        with opened.reading() as session:
            now = peppers.find_current(session).in_force_at
            answer = lookup_queries.find_by_hash(session, now, pepper=pepper, hashes=[hashed])
        assert answer == {hashed: "@a:x.example"}


def test_a_dry_run_of_a_pepper_changes_nothing(run, opened):
    run("pepper", "rotate")
    before = current(opened)
    assert run.json("pepper", "rotate", "--dry-run") == {"associations": 0, "dry_run": True}
    assert current(opened) == before


def current(opened) -> str:
    with opened.reading() as session:
        return peppers.find_current(session).pepper


def add_homeserver(run, **more):
    files = [run.file(name, f"the {name}") for name in ("secret", "token")]
    run(
        *("homeserver", "add", "a.example", "--url", "https://a.example", "--connector", "synapse"),
        *("--registration-secret-file", files[0], "--admin-token-file", files[1]),
        **more,
    )


def test_a_pair_has_its_private_half_in_a_file_for_its_owner_alone(run):
    path = run.folder / "worker_key"
    shown = run("keys", "pair", str(path))
    private = path.read_text().strip()
    assert path.stat().st_mode & 0o777 == 0o600
    assert private.startswith("hs-private-")
    assert private not in shown.output
    assert PrivateHalves([SecretStr(private)]).newest.text == shown.stdout.strip()


def test_a_second_pair_is_added_behind_the_first_and_takes_over_step_by_step(run):
    path = run.folder / "worker_key"
    first = run("keys", "pair", str(path)).stdout.strip()
    add_homeserver(run, env={"GUICHET_HOMESERVER_PUBLIC_KEY": first})
    second = run("keys", "pair", str(path)).stdout.strip()
    both = {"GUICHET_HOMESERVER_KEYS_FILE": str(path), "GUICHET_HOMESERVER_PUBLIC_KEY": second}
    assert [PUBLIC in half for half in path.read_text().split(",")] == [False, False]
    assert f"{first}: 2 of 2" in run("keys", "list", env=both | one(first)).stderr
    assert f"{second}: 0 of 2" in run("keys", "list", env=both).stderr
    assert "GUICHET_HOMESERVER_KEYS" in run("keys", "reseal", env=one(second, path="")).stderr
    assert (
        "2 secrets of homeservers would be" in run("keys", "reseal", "--dry-run", env=both).stderr
    )
    assert (
        "2 secrets of homeservers were sealed anew: 2 of 2"
        in run("keys", "reseal", env=both).stderr
    )
    assert (
        "0 secrets of homeservers were sealed anew: 2 of 2"
        in run("keys", "reseal", env=both).stderr
    )


def one(public: str, **more: str) -> dict[str, str]:
    path = {"GUICHET_HOMESERVER_KEYS_FILE": more["path"]} if "path" in more else {}
    return {"GUICHET_HOMESERVER_PUBLIC_KEY": public, **path}


def test_a_rotation_seals_homeservers_secrets_to_the_worker_too(run, opened):
    add_homeserver(run)
    with opened.transaction() as session:
        homeservers.find(session, "a.example").admin_token = sealed_before(run, "the token")
    assert "storage keys, which the web has" in run("doctor", ends=1).stdout
    told = run("keys", "rotate").stderr
    assert "1 secrets of homeservers are sealed anew" in told
    assert "storage keys, which the web has" not in run("doctor", ends=1).stdout


def sealed_before(run, secret):
    """As the version before sealed it."""
    worker_services = build_services(read_settings(_env_file=None, data_dir=run.folder))
    worker_services.database.engine.dispose()
    return worker_services.vault.seal(secret)
