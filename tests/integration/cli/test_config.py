"""`guichet config`, and how commands end when the settings or the database are at fault."""

from pathlib import Path

import pytest

from identity.core.sealing import new_pair
from tests.services.keys import PUBLIC_HALF, WORKER_KEYS
from tests.services.processes import free_port
from tests.worlds.command_line import *
from tests.worlds.command_line import CommandLine

KEYS = {
    "GUICHET_SECRET_KEYS": "a-secret-key-that-is-long-enough-1",
    "GUICHET_STORAGE_KEYS": "another-secret-key-that-is-long-enough",
    "GUICHET_HOMESERVER_PUBLIC_KEY": PUBLIC_HALF.text,
}


def test_good_settings_pass(run):
    assert "can be used" in run("config", "check").stderr


def test_every_setting_at_fault_is_named_in_one_line_each(run):
    env = {
        "GUICHET_PUBLIC_URL": "nowhere",
        "GUICHET_INTERNAL_LISTEN": "8091",
        "GUICHET_LIMITS": "perhaps",
        "GUICHET_NEW": "1",
    }
    lines = run("config", "check", ends=1, env=env).stderr.splitlines()
    assert [line.split(": ")[1] for line in lines] == [
        "GUICHET_NEW",
        "GUICHET_PUBLIC_URL",
        "GUICHET_INTERNAL_LISTEN",
        "GUICHET_LIMITS",
    ]


def test_an_unknown_setting_in_the_file_is_found_too(run):
    run.file(".env", "GUICHET_NEW=1\nOTHERS=2\n")
    assert "GUICHET_NEW" in run("config", "check", ends=1).stderr


def test_a_secret_may_stand_in_a_file_and_nothing_else_may(run):
    path = run.file("keys", "a-secret-key-that-is-long-enough-1")
    Path(path).chmod(0o600)
    run("config", "check", env={"GUICHET_SECRET_KEYS_FILE": path})
    env = {"GUICHET_PUBLIC_URL_FILE": path}
    assert "GUICHET_PUBLIC_URL_FILE" in run("config", "check", ends=1, env=env).stderr


def test_an_unknown_setting_is_a_warning_elsewhere(run):
    result = run("homeserver", "list", "--json", env={"GUICHET_NEW": "1"})
    assert "GUICHET_NEW" in result.stderr
    assert result.stdout == "[]\n"


def test_secrets_are_masked(run):
    env = KEYS | {"GUICHET_SMTP_URL": "smtp://me:password@relay.example"}
    shown = run("config", "show", env=env).stdout
    assert "GUICHET_SMTP_URL=********" in shown
    assert "GUICHET_PUBLIC_URL=http://127.0.0.1:8090" in shown
    for secret in ("secret-key", "password"):
        assert secret not in shown
        assert secret not in run("config", "show", "--json", env=env).output


def test_a_shared_database_without_keys_says_which(run):
    env = {"GUICHET_DATABASE_URL": "postgresql+psycopg://guichet@127.0.0.1/guichet"}
    assert "GUICHET_SECRET_KEYS" in run("domain", "list", ends=1, env=env).stderr


def test_a_shared_database_without_the_workers_key_says_which_half_is_missing(run):
    env = {**KEYS, "GUICHET_DATABASE_URL": "postgresql+psycopg://guichet@127.0.0.1/guichet"}
    del env["GUICHET_HOMESERVER_PUBLIC_KEY"]
    told = run("config", "check", ends=1, env=env).stderr
    assert "GUICHET_HOMESERVER_PUBLIC_KEY" in told
    assert "hs-public-" in told, "with an example"
    assert "hs-private-" not in told


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GUICHET_HOMESERVER_PUBLIC_KEY", "a long random string"),
        ("GUICHET_HOMESERVER_PUBLIC_KEY", WORKER_KEYS["GUICHET_HOMESERVER_KEYS"]),
        ("GUICHET_HOMESERVER_KEYS", "a long random string"),
        ("GUICHET_HOMESERVER_KEYS", PUBLIC_HALF.text),
        ("GUICHET_HOMESERVER_KEYS", f"{WORKER_KEYS['GUICHET_HOMESERVER_KEYS']},x"),
    ],
    ids=["no public half", "the private half", "no private half", "the public half", "one of two"],
)
def test_halves_that_are_none_or_mixed_up_are_named_and_never_shown(run, name, value):
    told = run("config", "check", ends=1, env={name: value}).stderr
    assert told.startswith(f"guichet: {name}: ")
    assert value not in told


def test_halves_that_do_not_belong_together_are_told(run):
    other = new_pair()[1].text
    env = {**WORKER_KEYS, "GUICHET_HOMESERVER_PUBLIC_KEY": other}
    told = run("config", "check", ends=1, env=env).stderr
    assert "none of GUICHET_HOMESERVER_KEYS opens what is sealed to it" in told
    run("config", "check", env={**WORKER_KEYS, "GUICHET_HOMESERVER_PUBLIC_KEY": PUBLIC_HALF.text})


def test_both_halves_are_masked(run):
    env = KEYS | WORKER_KEYS
    shown = run("config", "show", env=env).stdout
    assert "GUICHET_HOMESERVER_KEYS=********" in shown
    assert WORKER_KEYS["GUICHET_HOMESERVER_KEYS"] not in shown


def test_a_database_that_is_away_is_one_line_and_a_code_of_its_own(run):
    url = f"postgresql+psycopg://guichet:the-password@127.0.0.1:{free_port()}/guichet"
    result = run("domain", "list", ends=6, env=KEYS | {"GUICHET_DATABASE_URL": url})
    assert result.stderr.startswith("guichet: the database does not answer")
    assert result.stderr.count("\n") == 1
    assert "the-password" not in result.output


def test_a_database_url_that_is_none_is_one_line(run):
    result = run("domain", "list", ends=1, env=KEYS | {"GUICHET_DATABASE_URL": "nonsense"})
    assert "GUICHET_DATABASE_URL" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_shared_database_is_not_upgraded_by_the_way(run, empty_sqlite_url):
    env = KEYS | {"GUICHET_DATABASE_URL": empty_sqlite_url}
    assert "guichet db upgrade" in run("domain", "list", ends=1, env=env).stderr
    assert "empty" in run("db", "current", env=env).stdout
    assert "Nothing was written" in run("db", "upgrade", "--dry-run", env=env).stderr
    assert "empty" in run("db", "current", env=env).stdout
    run("db", "upgrade", env=env)
    run("domain", "list", env=env)
    assert "newest schema already" in run("db", "upgrade", env=env).stderr


def test_the_embedded_database_is_made_on_the_way(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fresh = CommandLine(tmp_path / "fresh")
    assert fresh("db", "current").stdout == "empty\n"
    assert not fresh.folder.exists()
    assert fresh.json("domain", "list") == {"revision": 0, "rules": []}
    assert (fresh.folder / "guichet.db").exists()


def test_a_folder_that_cannot_be_made_is_one_line(run):
    blocked = CommandLine(run.folder / "file")
    run.file("file", "")
    result = blocked("domain", "list", ends=1)
    assert result.stderr.startswith("guichet: ")
    assert result.stderr.count("\n") == 1
