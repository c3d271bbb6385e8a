"""A restored backup brings erased people back: the log outside the database forgets them again."""

import shutil
import uuid
from pathlib import Path

import pytest
from sqlalchemy import delete, update

from domain_rules.addresses import EmailAddress
from identity.core.database import Database, make_engine
from identity.core.journal import Actor
from identity.mail import models as mails
from identity.mail.models import Mail
from identity.mail.quota import Template
from identity.people import erasure, erasure_log
from identity.people.erasure_log import ErasureLogUnusable
from identity.rule_changes import journal_check
from identity.sign_up import service as sign_up
from identity.sign_up.models import VerificationRequest
from tests.worlds.one_person.filling import fill_every_story
from tests.worlds.one_person.names import CAMILLE, HERS, OLGA
from tests.worlds.one_person.traces import dump, traces

LEO = EmailAddress.parse("leo.petit@ac-rouen.example")
RESTORING = Actor("restore", "here", "a backup was restored")


@pytest.fixture
def database_url(sqlite_url) -> str:
    return sqlite_url


@pytest.fixture
def log(tmp_path) -> Path:
    return tmp_path / "elsewhere" / "erasures.jsonl"


@pytest.fixture
def backup(services, tmp_path):
    """`take()` keeps a copy, `restored()` opens it as the database after a loss."""
    path, opened = tmp_path / "backup.db", []

    def take():
        services.database.overwrite_deleted()
        shutil.copy(services.database.engine.url.database, path)

    def restored() -> Database:
        opened.append(Database(make_engine(f"sqlite:///{path}")))
        return opened[-1]

    yield take, restored
    for database in opened:
        database.engine.dispose()


def erase(services, log, address=CAMILLE):
    with services.database.transaction() as session:
        return erasure.erase(session, services.hashes, services.now(), address, OLGA, log=log)


def order_mail(session, services, reply):
    """To somebody else, whose mail server repeats an address of hers."""
    mail = mails.order(
        session,
        services.now(),
        template=Template.EXISTS,
        address="zoe@asso.example",
        language="fr",
        subject_id=uuid.uuid4(),
    )
    mail.last_reply = reply
    session.flush()


def replay(database, services, log):
    with database.transaction() as session:
        return erasure.replay(session, services.hashes, services.now(), RESTORING, log=log)


def test_who_was_erased_after_the_backup_is_erased_again(services, backup, log):
    take, restored = backup
    fill_every_story(services)
    take()
    wanted = traces(services)
    erase(services, log)
    back = restored()
    assert wanted["local part"] in dump(back)
    [again] = replay(back, services, log)
    assert again.person.user_ids == (HERS,)
    back.overwrite_deleted()
    after = dump(back)
    assert {what for what, trace in wanted.items() if trace in after} == set()
    with back.reading() as session:
        assert journal_check.verify(session).fault is None


def test_what_only_the_backup_holds_of_a_mailbox_is_erased_too(services, backup, log):
    """Spellings that were forgotten before she was erased, and an address in a text of another."""
    take, restored = backup
    older = EmailAddress.parse("leo.petit+older@ac-rouen.example")
    with services.database.transaction() as session:
        sign_up_again(session, services, older)
        order_mail(session, services, "550 no leo.petit@ac-rouen.example")
    take()
    wanted = "leo.petit"
    with services.database.transaction() as session:
        session.execute(delete(VerificationRequest))
        session.execute(update(Mail).values(last_reply=None))
        sign_up_again(session, services, LEO)
    assert erase(services, log, LEO)
    back = restored()
    assert wanted in dump(back)
    with back.transaction() as session:
        erasure.replay(session, services.hashes, services.now(), RESTORING, log=log, writes=False)
        session.rollback()
    assert wanted in dump(back)
    assert len(erasure_log.read(log)) == 1
    assert len(replay(back, services, log)) == 1
    back.overwrite_deleted()
    assert wanted not in dump(back)


def test_an_address_that_stands_in_a_text_alone_is_found_again(services, backup, log):
    take, restored = backup
    with services.database.transaction() as session:
        order_mail(session, services, "550 no Leo.Petit@ac-rouen.example")
    take()
    with services.database.transaction() as session:
        sign_up_again(session, services, LEO)
    assert erase(services, log, LEO)
    back = restored()
    assert len(replay(back, services, log)) == 1
    back.overwrite_deleted()
    assert "leo.petit" not in dump(back)


def test_who_came_back_is_left_alone(services, backup, log):
    take, restored = backup
    fill_every_story(services)
    erase(services, log)
    fill_again(services)
    take()  # after both
    assert replay(services.database, services, log) == []
    back = restored()
    assert replay(back, services, log) == []
    assert "camille.durand" in dump(back)


def test_replayed_twice_it_spares_who_signed_up_in_between(services, backup, log):
    take, restored = backup
    fill_every_story(services)
    take()
    erase(services, log)
    back = restored()
    assert len(replay(back, services, log)) == 1
    with back.transaction() as session:
        sign_up_again(session, services)
    assert replay(back, services, log) == []
    back.overwrite_deleted()
    assert "camille.durand" in dump(back)


def test_an_entry_of_another_key_is_counted_and_not_guessed(services, log):
    fill_every_story(services)
    erase(services, log)
    line = log.read_text()
    with services.database.transaction() as session:
        key = services.hashes.key_id(session)
        assert erasure.unreplayable(session, services.hashes, log=log) == []
    log.write_text(line.replace(key, "another key"))
    with services.database.transaction() as session:
        # The row in the journal says that this database has forgotten them.
        assert erasure.unreplayable(session, services.hashes, log=log) == []
    [entry] = erasure_log.read(log)
    log.write_text(line.replace(key, "another key").replace(entry.journal_hash, "of a lost row"))
    with services.database.transaction() as session:
        told = erasure.unreplayable(session, services.hashes, log=log)
        assert told == [entry.at]
        assert erasure.replay(session, services.hashes, services.now(), OLGA, log=log) == []


def test_a_line_cut_off_by_a_crash_is_no_erasure_and_a_foreign_line_is_an_error(services, log):
    fill_every_story(services)
    erase(services, log)
    whole = log.read_text()
    log.write_text(whole + whole[:40])
    assert len(erasure_log.read(log)) == 1
    for foreign in ("hello\n", "[]\n", '{"at": 1}\n', "\xff\n"):
        log.write_text(whole + foreign)
        with pytest.raises(ErasureLogUnusable, match="line 2"):
            erasure_log.read(log)
    log.write_bytes(b"\xff\xfe")
    with pytest.raises(ErasureLogUnusable):
        erasure_log.read(log)
    assert erasure_log.read(log.with_name("none.jsonl")) == []


def sign_up_again(session, services, address=CAMILLE):
    sign_up.start(
        session,
        services.rules.current(),
        services.now(),
        address=address,
        browser="later",
        language="fr",
    )


def fill_again(services):
    with services.database.transaction() as session:
        sign_up_again(session, services)
