"""What Guichet keeps in files is for its own user alone, whatever the umask, and however it was found."""

import logging
import os
import stat
from pathlib import Path

import pytest
from sqlalchemy.exc import DatabaseError

from identity.core import private_files
from identity.core.database import make_engine
from identity.core.private_files import private_file, private_folder
from identity.mail.folder import FolderMailer
from identity.migrations.upgrading import upgrade
from identity.services import build_services
from identity.settings import read_settings
from tests.services.keys import KEYS


@pytest.fixture(params=[0o000, 0o022, 0o277], ids="umask {:03o}".format)
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def modes(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): mode(path) for path in folder.rglob("*")}


@pytest.fixture
def start(tmp_path):
    """The first things every process does, and a database that was written to."""

    def start():
        settings = read_settings(data_dir=tmp_path / "home/var", _env_file=None)
        worker_services = build_services(settings)
        upgrade(settings.database)
        with worker_services.database.transaction() as session:
            session.connection().exec_driver_sql("create table if not exists written (x)")
            found = modes(settings.data_dir) | {"var": mode(settings.data_dir)}
        worker_services.database.engine.dispose()
        return found

    return start


@pytest.mark.slow
@pytest.mark.usefixtures("umask")
def test_a_first_start_leaves_nothing_to_others(start):
    found = start()
    assert found["var"] == 0o700
    files = {name: found[name] for name in ("guichet.db", "guichet.db-wal", "guichet.db-shm")}
    assert set(files.values()) | {found["keys.json"]} == {0o600}


@pytest.mark.slow
@pytest.mark.usefixtures("umask")
def test_what_an_older_version_left_open_is_narrowed_and_told(start, tmp_path, caplog):
    start()
    home = tmp_path / "home/var"
    home.chmod(0o755)
    for name in ("guichet.db", "keys.json"):
        (home / name).chmod(0o644)
    (home / "guichet.db-wal").write_bytes(b"")
    (home / "guichet.db-wal").chmod(0o664)
    with caplog.at_level(logging.WARNING):
        found = start()
    assert found["var"] == 0o700
    assert {found[name] for name in ("guichet.db", "guichet.db-wal", "keys.json")} == {0o600}
    for name in ("var ", "guichet.db ", "keys.json "):
        assert [line for line in caplog.messages if name in line and "narrowed" in line]
    caplog.clear()
    start()
    assert not [line for line in caplog.messages if "narrowed" in line]


@pytest.mark.usefixtures("umask")
def test_a_database_of_ones_own_choice_is_private_too(tmp_path):
    url = f"sqlite:///{tmp_path / 'mine.db'}"
    keys = {name.removeprefix("GUICHET_").lower(): value for name, value in KEYS.items()}
    worker_services = build_services(
        read_settings(database_url=url, data_dir=tmp_path, _env_file=None, **keys)
    )
    with worker_services.database.transaction() as session:
        session.connection().exec_driver_sql("create table if not exists written (x)")
        found = modes(tmp_path)
    worker_services.database.engine.dispose()
    assert {name: found[name] for name in ("mine.db", "mine.db-wal")} == {
        "mine.db": 0o600,
        "mine.db-wal": 0o600,
    }


@pytest.mark.usefixtures("umask")
def test_a_file_that_is_no_database_keeps_its_mode_when_an_url_names_it_by_mistake(tmp_path):
    passwords = tmp_path / "passwd"
    passwords.write_text("root:x:0:0:root:/root:/bin/bash\n")
    passwords.chmod(0o644)
    with (
        pytest.raises(DatabaseError, match="not a database"),
        make_engine(f"sqlite:///{passwords}").connect(),
    ):
        pass
    with pytest.raises(FileExistsError):
        private_folder(passwords)
    assert mode(passwords) == 0o644


def test_mails_in_a_folder_are_private(tmp_path):
    private_files.private_folder(tmp_path / "mail")
    assert mode(tmp_path / "mail") == 0o700
    (tmp_path / "mail").chmod(0o777)
    FolderMailer(tmp_path / "mail").probe()
    private_files.private_folder(tmp_path / "mail")
    assert mode(tmp_path / "mail") == 0o700


def test_a_folder_that_others_use_is_left_as_it_is(tmp_path, monkeypatch, caplog):
    shared, work = tmp_path / "shared", tmp_path / "work/here"
    shared.mkdir()
    work.mkdir(parents=True)
    shared.chmod(0o1777)
    work.parent.chmod(0o755)
    monkeypatch.chdir(work)
    for folder in (shared, work.parent, work):
        before = mode(folder)
        private_files.private_folder(folder)
        assert mode(folder) == before
    assert len([line for line in caplog.messages if "can be read by others" in line]) == 3


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_of_another_user_is_told_and_left(tmp_path, caplog):
    path = tmp_path / "theirs"
    path.write_text("x")
    path.chmod(0o644)
    os.chown(path, 1, 1)
    private_files.private_file(path)
    assert mode(path) == 0o644
    assert str(path) in caplog.text


def test_what_root_makes_in_a_folder_of_the_service_belongs_to_the_service(tmp_path):
    """A command by sudo. Whoever else runs it can make files of their own only."""
    folder, service = tmp_path / "guichet", 65534 if os.geteuid() == 0 else os.geteuid()
    folder.mkdir()
    if os.geteuid() == 0:
        os.chown(folder, service, service)
    private_folder(folder / "broker")
    private_file(folder / "broker" / "one")
    engine = make_engine(f"sqlite:///{folder / 'guichet.db'}")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (a)")
        made = {path.name: path.stat().st_uid for path in folder.rglob("*")}
    engine.dispose()
    assert {"broker", "one", "guichet.db", "guichet.db-wal"} <= set(made)
    assert set(made.values()) == {service}
