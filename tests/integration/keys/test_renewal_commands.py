"""`guichet keys init`, `stage`, `activate`, `retire` and `status`, as an operator types them."""

import grp
import os
import pwd
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from identity.core import journal, key_uses, nodes
from identity.core.clock import utc_now
from identity.core.nodes import NodeKind, NodeReport
from identity.env_files import VARIABLE
from identity.keys import key_files
from identity.keys.key_files import Place
from identity.keys.key_sets import Keys, KeySet
from identity.settings import WrongSettings, new_secret, read_settings
from tests.services.keys import PUBLIC_HALF
from tests.worlds.command_line import *

NOBODY = "nobody"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def owners(folder: Path, *names: str) -> list[str]:
    return [
        "--group",
        grp.getgrgid(os.getgid()).gr_name,
        "--worker-user",
        pwd.getpwuid(os.getuid()).pw_name,
        *names,
        str(folder),
    ]


def test_all_keys_are_made_at_once_and_the_lines_printed_are_settings(run, tmp_path, monkeypatch):
    folder = tmp_path / "etc"
    who = owners(folder) if os.geteuid() == 0 else [str(folder)]
    shown = run("keys", "init", *who)
    monkeypatch.setenv(
        VARIABLE, run.file("guichet.env", shown.stdout + "GUICHET_DATABASE_URL=postgresql:///x\n")
    )
    settings = read_settings()
    assert len(settings.secret_keys) == len(settings.storage_keys) == 1
    halves = key_files.read_halves(folder / "homeserver_keys")
    assert settings.homeserver_public_key.get_secret_value() == halves.newest.text
    shared, workers = (0o640, 0o400) if os.geteuid() == 0 else (0o600, 0o600)
    assert mode(folder / "secret_keys") == mode(folder / "storage_keys") == shared
    assert mode(folder / "homeserver_keys") == workers
    for path in folder.iterdir():
        assert path.read_text().strip() not in shown.output


def test_what_is_there_is_kept_and_what_is_missing_is_made(run, tmp_path):
    folder = tmp_path / "etc"
    who = owners(folder) if os.geteuid() == 0 else [str(folder)]
    assert "would be made" in run("keys", "init", *who, "--dry-run").stderr
    assert not folder.exists()
    first = run("keys", "init", *who).stdout
    before = {path.name: path.read_text() for path in folder.iterdir()}
    assert run("keys", "init", *who).stdout == first
    assert {path.name: path.read_text() for path in folder.iterdir()} == before
    (folder / "storage_keys").unlink()
    made = run.json("keys", "init", *who)
    assert [file["made"] for file in made["files"]] == [False, True, False]
    path = folder / "secret_keys"
    path.write_text("short,\n")
    path.chmod(0o666)
    folder.chmod(0o777)
    told = run("keys", "init", *who).stderr
    assert f"{path}: everybody here can read or write it (0666): chmod o= {path}" in told
    assert f"{path}: its last key, which is in use, has 5 characters" in told
    assert f"{folder}: others can put keys of their own there" in told
    for empty in ("\n", ","):
        path.write_text(empty)
        assert "holds no key" in run("keys", "init", *who, ends=1).stderr


@pytest.mark.parametrize("kind", ["folder", "link that leads nowhere"])
def test_what_is_no_file_with_a_key_is_neither_kept_nor_overwritten(run, tmp_path, kind):
    folder = tmp_path / "etc"
    folder.mkdir()
    who = owners(folder) if os.geteuid() == 0 else [str(folder)]
    if kind == "folder":
        (folder / "secret_keys").mkdir()
    else:
        (folder / "secret_keys").symlink_to("/nowhere")
    told = run("keys", "init", *who, ends=1).stderr
    assert f"{folder / 'secret_keys'} cannot be read" in told
    assert "remove it, and run this again" in told
    assert [path.name for path in folder.iterdir()] == ["secret_keys"]


def test_two_who_make_keys_at_once_get_the_same(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: key_files.init(tmp_path / "etc", None), range(16)))
    assert sum(file.is_new for files in made for file in files) == 3
    assert sorted(path.name for path in (tmp_path / "etc").iterdir()) == [
        "homeserver_keys",
        "secret_keys",
        "storage_keys",
    ]


def test_a_group_or_user_that_is_missing_is_named_with_what_makes_it():
    with pytest.raises(WrongSettings, match="groupadd --system nobodys-group"):
        key_files.find_owners("nobodys-group", NOBODY)
    group = grp.getgrgid(os.getgid()).gr_name
    with pytest.raises(WrongSettings, match=r"useradd --system .* nobodys-user"):
        key_files.find_owners(group, "nobodys-user")


@pytest.fixture
def shared(run, tmp_path, sqlite_url) -> dict[str, str]:
    """Settings whose keys stand in files."""
    for name in ("secret_keys", "storage_keys"):
        path = tmp_path / name
        path.write_text(new_secret() + "\n")
        path.chmod(0o640)
    return {
        "GUICHET_DATABASE_URL": sqlite_url,
        "GUICHET_SECRET_KEYS_FILE": str(tmp_path / "secret_keys"),
        "GUICHET_STORAGE_KEYS_FILE": str(tmp_path / "storage_keys"),
        "GUICHET_HOMESERVER_PUBLIC_KEY": PUBLIC_HALF.text,
    }


def table(run, env) -> list[tuple[str, str]]:
    shown = run("keys", "status", env=env).stdout.splitlines()
    return [tuple(line.split("\t")[:1] + line.split("\t")[2:3]) for line in shown if "\t" in line]


def test_a_link_key_is_renewed_step_by_step(run, shared, tmp_path, opened):
    path = tmp_path / "secret_keys"
    old = path.read_text().strip()
    run("keys", "stage", "link", "--dry-run", env=shared)
    assert path.read_text().strip() == old
    told = run("keys", "stage", "link", "--reason", "yearly", env=shared)
    new, last = path.read_text().strip().split(",")
    assert (last, mode(path)) == (old, 0o640)
    assert new not in told.output
    staged = Keys(KeySet.LINK, (new, old))
    beat(opened, link=staged.fingerprints[1:])
    refused = run("keys", "activate", "link", ends=3, env=shared).stderr
    assert "is not known yet to worker on b" in refused
    beat(opened, link=staged.fingerprints)
    assert "That can be done" in run("keys", "activate", "link", "--dry-run", env=shared).stderr
    run("keys", "activate", "link", env=shared)
    assert path.read_text().strip() == f"{old},{new}"
    assert "is in use at worker on b" in run("keys", "retire", "link", ends=3, env=shared).stderr
    beat(opened, link=reversed(staged.fingerprints))
    assert "live for 30 days" in run("keys", "retire", "link", ends=3, env=shared).stderr
    run("keys", "retire", "link", "--leaked", env=shared)
    assert path.read_text().strip() == new
    with opened.reading() as session:
        told = [(row.action, row.reason) for row in journal.find_recent(session, action="keys")]
    assert told == [("keys.retire", ""), ("keys.activate", ""), ("keys.stage", "yearly")]


def beat(opened, **keys) -> None:
    """A worker reports that it has these keys."""
    report = NodeReport(
        "b:1", kind=NodeKind.WORKER, host="b", keys={k: [*v] for k, v in keys.items()}
    )
    with opened.transaction() as session:
        nodes.record_heartbeat(session, utc_now(), report)
        key_uses.record(session, utc_now(), keys=report.keys)


def test_a_storage_key_is_retired_after_everything_was_sealed_anew(run, shared, tmp_path):
    path = tmp_path / "storage_keys"
    run("keys", "rotate", env=shared)
    run("keys", "stage", "storage", env=shared)
    keys = Place(KeySet.STORAGE, str(path), path).read()
    run("keys", "activate", "storage", keys.fingerprints[0], env=shared)
    old = keys.fingerprints[1]
    assert "guichet keys reseal" in run("keys", "retire", "storage", ends=3, env=shared).stderr
    assert "1 secrets would be sealed anew" in run("keys", "reseal", "--dry-run", env=shared).stderr
    run("keys", "reseal", env=shared)
    assert run("keys", "retire", "storage", old, env=shared).stderr
    assert path.read_text().strip() == keys.texts[0]
    assert "no key" in run("keys", "retire", "storage", ends=1, env=shared).stderr.lower()


def test_keys_that_stand_among_other_settings_are_said_and_not_written(run, shared):
    old = new_secret()
    env = {**shared, "GUICHET_SECRET_KEYS": old}
    told = run("keys", "stage", "link", env=env)
    assert (
        "Nothing was written. Put this key before the last one of GUICHET_SECRET_KEYS in the environment"
        in told.stderr
    )
    new = told.stderr.strip().splitlines()[-1]
    env["GUICHET_SECRET_KEYS"] = f"{new},{old}"
    assert (
        "move it to the end of GUICHET_SECRET_KEYS"
        in run("keys", "activate", "link", env=env).stderr
    )
    assert run.json("keys", "list") == []


def test_keys_of_the_embedded_database_are_renewed_in_their_file(run):
    run("keys", "list")
    before = Place(KeySet.LINK, "keys.json", run.folder / "keys.json", in_json="secret_keys").read()
    run("keys", "stage", "link")
    staged = next(each for each in run.json("keys", "status") if not each["active"])
    run("keys", "activate", "link", staged["fingerprint"])
    after = Place(KeySet.LINK, "keys.json", run.folder / "keys.json", in_json="secret_keys").read()
    assert after.texts[0] == before.texts[0]
    assert after.active == staged["fingerprint"]
    assert len(run.json("keys", "status")) == 3


def test_a_file_is_whole_at_every_moment_and_written_by_one_at_a_time(tmp_path):
    path = tmp_path / "secret_keys"
    path.write_text("a,b")
    path.chmod(0o640)
    place = Place(KeySet.LINK, "x", path)
    place.write(Keys(KeySet.LINK, ("c", "d")))
    assert (path.read_text(), mode(path)) == ("c,d\n", 0o640)
    assert [each.name for each in tmp_path.iterdir()] == ["secret_keys"]
    with place.locked(), pytest.raises(WrongSettings, match="another command"), place.locked():
        pass
