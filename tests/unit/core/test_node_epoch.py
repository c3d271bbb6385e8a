"""What one process remembers: two seconds at most, and nothing from before a change on its node."""

import os
import resource
import stat

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError

from identity.core import node_epoch, rows
from identity.core.database import Database
from identity.core.node_epoch import LASTS, NodeEpoch, ShortMemory
from identity.homeservers.models import Homeserver
from identity.threepids import account_models as identity_accounts
from identity.threepids.account_models import AcceptedTerms, AccessToken
from identity.threepids.peppers import Pepper

ZOE = "@zoe:education.example"
READ_ONLY = "/proc/sys/kernel/random/boot_id"  # also for root


class Seconds:
    def __init__(self):
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def epoch(tmp_path) -> NodeEpoch:
    return made(tmp_path)


def made(folder) -> NodeEpoch:
    """Its first answer is None, while it makes the file."""
    epoch = NodeEpoch(folder / node_epoch.FILE)
    epoch.read()
    return epoch


class Asked:
    """Counts how often it was asked; `then` happens before it answers."""

    def __init__(self, then=lambda: None, answer="zoe"):
        self.times, self.then, self.answer = 0, then, answer

    def __call__(self):
        self.times += 1
        self.then()
        return self.answer


def test_an_answer_is_remembered_for_less_than_two_seconds(epoch, seconds):
    memory, asked = ShortMemory(epoch, clock=seconds), Asked()
    for _ in range(3):
        assert memory.get("a", asked) == "zoe"
    seconds.now += LASTS - 0.01
    assert (memory.get("a", asked), asked.times) == ("zoe", 1)
    seconds.now += 0.01
    assert (memory.get("a", asked), asked.times) == ("zoe", 2)


def test_the_two_seconds_begin_before_the_question(epoch, seconds):
    def slowly():
        seconds.now += LASTS - 0.5

    memory, asked = ShortMemory(epoch, clock=seconds), Asked(slowly)
    memory.get("a", asked)
    seconds.now += 0.5
    memory.get("a", asked)
    assert asked.times == 2


def test_a_change_in_another_process_of_the_node_ends_it_at_once(tmp_path, epoch, seconds):
    memory, asked = ShortMemory(epoch, clock=seconds), Asked()
    memory.get("a", asked)
    made(tmp_path).renew()
    memory.get("a", asked)
    assert asked.times == 2


def test_a_change_between_question_and_answer_is_not_outlived(epoch, seconds):
    """The answer may be from before it, so nobody gets it a second time."""
    memory, asked = ShortMemory(epoch, clock=seconds), Asked(epoch.renew)
    memory.get("a", asked)
    asked.then = lambda: None
    memory.get("a", asked)
    assert asked.times == 2


def test_what_is_not_there_is_asked_again(epoch, seconds):
    memory, asked = ShortMemory(epoch, clock=seconds), Asked(answer=None)
    assert (memory.get("a", asked), memory.get("a", asked)) == (None, None)
    assert asked.times == 2


@pytest.mark.parametrize("spoil", ["no folder", "a folder in its place", "none at all"])
def test_without_a_file_that_can_be_shared_nothing_is_remembered(tmp_path, seconds, spoil, caplog):
    file = tmp_path / node_epoch.FILE
    if spoil == "no folder":
        epoch = NodeEpoch(tmp_path / "missing" / "epoch")
    elif spoil == "a folder in its place":
        file.mkdir()
        epoch = NodeEpoch(file)
    else:
        epoch = None
    memory, asked = ShortMemory(epoch, clock=seconds), Asked()
    for _ in range(3):
        memory.get("a", asked)
        if epoch is not None:
            epoch.renew()
    assert asked.times == 3
    assert len(caplog.records) == (0 if epoch is None else 1)


def test_with_a_file_that_cannot_be_written_nothing_is_remembered(tmp_path, seconds):
    """As on a disk that was made read-only: what ends here could not be told."""
    (tmp_path / node_epoch.FILE).symlink_to(READ_ONLY)
    epoch = NodeEpoch(tmp_path / node_epoch.FILE)
    memory, asked = ShortMemory(epoch, clock=seconds), Asked()
    for _ in range(3):
        memory.get("a", asked)
    assert asked.times == 3


def test_who_cannot_write_the_file_removes_it(tmp_path, epoch, seconds):
    memory, asked = ShortMemory(epoch, clock=seconds), Asked()
    memory.get("a", asked)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, before[1]))  # no more files are opened
    try:
        NodeEpoch(tmp_path / node_epoch.FILE).renew()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    memory.get("a", asked)
    assert asked.times == 2


def test_a_file_that_was_cut_short_is_written_anew(tmp_path, epoch):
    (tmp_path / node_epoch.FILE).write_bytes(b"short")
    assert epoch.read() is None
    assert epoch.read() == epoch.read() is not None


def test_the_worker_may_write_it_as_another_user_of_the_group(tmp_path):
    """As in deploy/systemd, whose units have this umask."""
    before = os.umask(0o027)
    try:
        made(tmp_path)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / node_epoch.FILE).stat().st_mode) == 0o660


def test_it_holds_so_many_at_most_and_what_is_over_goes(epoch, seconds, monkeypatch):
    monkeypatch.setattr(node_epoch, "MOST", 3)
    memory = ShortMemory(epoch, clock=seconds)
    for name in "abcd":
        memory.get(name, Asked())
    again = Asked()
    memory.get("a", again)
    assert again.times == 1
    assert len(memory._held) == 3
    seconds.now += LASTS
    memory.get("e", Asked())
    assert list(memory._held) == ["e"]


def end_one(session):
    session.execute(delete(AccessToken).where(AccessToken.user_id == ZOE))


def end_by_object(session):
    session.delete(session.scalars(select(AccessToken)).one())


def end_by_table(session):
    session.execute(AccessToken.__table__.delete())


def end_some(session):
    rows.delete(session, AccessToken, AccessToken.user_id == ZOE, limit=5)


def forget_terms(session):
    rows.delete(session, AcceptedTerms, AcceptedTerms.user_id == ZOE)


def suspend(session):
    session.scalars(select(Homeserver)).first().suspended_at = session.info["now"]


def suspend_by_statement(session):
    session.execute(update(Homeserver).values(suspended_at=session.info["now"]))


def add_pepper(session):
    session.add(Pepper(number=9, pepper="x", created_at=session.info["now"]))


def look(session):
    session.scalars(select(AccessToken)).all()


def issue(session):
    identity_accounts.issue(session, session.info["now"], user_id=ZOE)


def record_use(session):
    session.execute(update(AccessToken).values(last_used_at=session.info["now"]))


ENDING = [
    *(end_one, end_by_object, end_by_table, end_some, forget_terms),
    *(suspend, suspend_by_statement, add_pepper),
]


@pytest.fixture
def node(database, epoch, clock) -> Database:
    opened = Database(database.engine, epoch=epoch)
    with opened.transaction() as session:
        identity_accounts.issue(session, clock(), user_id=ZOE)
        session.add(
            Homeserver(
                name="education.example",
                url="http://127.0.0.1:1",
                label="Education",
                connector="none",
                user_id_scheme="address",
                class_source="agent",
                created_at=clock(),
            )
        )
    return opened


@pytest.mark.parametrize("deed", [*ENDING, look, issue, record_use], ids=lambda deed: deed.__name__)
def test_what_ends_a_token_or_changes_a_standing_ends_the_memory(node, epoch, clock, deed):
    before = epoch.read()
    with node.transaction() as session:
        session.info["now"] = clock()
        deed(session)
        session.flush()
        assert epoch.read() == before, "it is not committed yet"
    assert (epoch.read() != before) == (deed in ENDING)


def test_it_ends_also_if_nobody_knows_whether_the_commit_was_carried_out(node, epoch):
    before = epoch.read()

    def fail():
        with node.transaction() as session:
            end_one(session)
            raise IntegrityError(None, None, ConnectionError())

    with pytest.raises(IntegrityError):
        fail()
    assert epoch.read() != before
