"""A database that went back holds its jobs; what only looks so does not."""

import json
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from identity.core import continuity, nodes
from identity.core.continuity import LastSeen, Position
from identity.core.database import Database
from identity.core.nodes import NodeReport


@dataclass
class Machine:
    """A machine with a worker: its heartbeats move the database on."""

    database: Database
    clock: Any
    path: Path | None = None

    def __post_init__(self) -> None:
        self.last_seen = LastSeen(self.path)

    def check(self) -> bool:
        with self.database.transaction() as session:
            return continuity.check(session, self.clock(), self.last_seen)

    def beat(self, times: int = 1) -> bool:
        """As the heartbeat does. Whether the last one found the database whole."""
        is_whole = False
        for _ in range(times):
            with self.database.transaction() as session:
                is_whole = continuity.check(session, self.clock(), self.last_seen)
                position = continuity.tick(session) if is_whole else None
                name = continuity.find(session).name
            if position:
                self.last_seen.remember(name, position)
                self.last_seen.store()
        return is_whole

    def restarted(self) -> "Machine":
        return Machine(self.database, self.clock, self.path)

    def row(self) -> dict[str, Any]:
        with self.database.reading() as session:
            row = continuity.find(session)
            return {each.key: getattr(row, each.key) for each in row.__table__.columns}

    def load(self, backup: dict[str, Any]) -> None:
        with self.database.transaction() as session:
            row = continuity.find(session)
            for name, value in backup.items():
                setattr(row, name, value)


@pytest.fixture
def machine(database, clock, tmp_path) -> Machine:
    return Machine(database, clock, tmp_path / "last_seen.json")


@pytest.fixture
def another(database, clock, tmp_path) -> Machine:
    return Machine(database, clock, tmp_path / "another.json")


def test_the_first_start_and_all_that_follows_is_no_restore(machine, another):
    assert machine.check()
    assert machine.beat(3)
    assert another.beat(2)
    assert machine.check()
    assert machine.restarted().beat()
    assert machine.row()["ticks"] == 6


def test_a_process_that_has_seen_more_holds_all_jobs_for_everybody(machine, database, clock):
    backup = machine.row()
    machine.beat(3)
    machine.load(backup)
    assert not machine.check()
    row = machine.row()
    assert row["held_since"] == clock()
    assert row["held_why"] == continuity.WENT_BACK
    stranger = Machine(database, clock)
    assert not stranger.check()
    assert not stranger.beat()
    assert machine.row()["ticks"] == 0


def test_a_worker_that_starts_knows_what_its_machine_had_seen(machine):
    backup = machine.row()
    machine.beat(3)
    machine.load(backup)
    assert not machine.restarted().check()


def test_an_idle_process_knows_what_the_others_of_its_machine_have_seen(machine):
    """It looked last before the backup was made, so by itself it would see no step back."""
    idle = machine.restarted()
    assert idle.check()
    machine.beat()
    backup = machine.row()
    machine.beat(3)
    machine.load(backup)
    assert not idle.check()


def test_a_position_that_is_rolled_back_is_not_missed_later(machine):
    with machine.database.transaction() as session:
        assert continuity.check(session, machine.clock(), machine.last_seen)
        continuity.tick(session)
        continuity.tick(session)
        session.rollback()
    assert machine.check()


def test_a_replica_that_was_a_moment_behind_takes_over_and_nothing_is_held(machine, caplog):
    machine.beat(4)
    replica = machine.row() | {"ticks": 3}
    machine.load(replica)
    assert machine.check()
    assert "may leave twice" in caplog.text
    assert machine.beat(3)
    machine.load(replica)
    assert not machine.check()  # now it is three heartbeats


def test_with_several_workers_the_same_moment_is_more_heartbeats(machine, database, clock):
    with database.transaction() as session:
        for name in "abc":
            nodes.record_heartbeat(session, clock(), NodeReport(name))
    machine.beat(4)
    machine.load(machine.row() | {"ticks": 1})
    assert machine.check()
    machine.beat(4)
    machine.load(machine.row() | {"ticks": 1})
    clock.advance(minutes=1)  # they are gone
    assert not machine.check()


def test_two_databases_with_one_data_folder_are_two_also_after_a_change_and_back(machine):
    ours = machine.row()
    machine.beat(3)
    newest = machine.row()
    machine.load({"name": "another", "ticks": 0})
    assert machine.beat()
    machine.load(newest)
    assert machine.restarted().check()
    machine.load(ours)
    assert not machine.restarted().check()


def test_only_the_last_databases_are_remembered(machine):
    for number in range(continuity.MAX_DATABASES + 5):
        machine.load({"name": f"database {number}"})
        machine.beat()
    stored = json.loads(machine.path.read_text())
    assert len(stored) == continuity.MAX_DATABASES
    assert f"database {continuity.MAX_DATABASES + 4}" in stored


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"a": 1}', '{"a": [1]}', '{"a": [1, "x"]}', "\0", '["a", 0, 1]']
)
def test_a_file_that_cannot_be_read_counts_for_nothing_and_is_written_anew(
    machine, content, caplog
):
    machine.path.write_text(content)
    assert machine.beat(2)
    assert caplog.text.count("counts for nothing") == 1
    assert list(json.loads(machine.path.read_text()).values()) == [[0, 2]]


def test_a_folder_that_cannot_be_written_stops_nothing(database, clock):
    machine = Machine(database, clock, Path("/proc/last_seen.json"))
    assert machine.check()
    with pytest.raises(OSError, match="last_seen"):
        machine.beat()
    assert machine.check()
    assert machine.last_seen.latest(machine.row()["name"]) == Position(0, 1)


def test_no_draft_is_left_and_only_this_user_reads_the_file(machine):
    machine.beat(3)
    assert [each.name for each in machine.path.parent.glob("last_seen*")] == ["last_seen.json"]
    assert machine.path.stat().st_mode & 0o777 == 0o600


def test_while_a_backup_is_loaded_nothing_is_leased_and_no_row_is_made(machine, caplog):
    """The backup brings its own: one that was made meanwhile would be in its place."""
    machine.beat(3)
    with machine.database.transaction() as session:
        backup = continuity.find(session)
        session.delete(backup)
    assert not machine.check()
    with machine.database.transaction() as session:
        assert continuity.tick(session) is None
        assert continuity.find(session) is None
    assert "being loaded" in caplog.text


def test_a_backup_of_a_time_when_jobs_were_held_is_held_for_its_own_reason(machine, clock):
    """Otherwise it could be resumed without `begin`, or for the wrong time."""
    before = machine.row()
    machine.beat(3)
    machine.load(before)
    assert not machine.check()
    while_held = machine.row()
    with machine.database.transaction() as session:
        row = continuity.find(session)
        continuity.begin_epoch(session, row, clock())
        row.held_why = continuity.BEGUN
    while_begun = machine.row()
    with machine.database.transaction() as session:
        continuity.let_go(continuity.find(session))
    assert machine.beat(3)
    for backup in (while_held, while_begun):
        clock.advance(days=1)
        machine.load(backup)
        assert not machine.check()
        assert machine.row()["held_why"] == continuity.WENT_BACK
        assert machine.row()["held_since"] == clock()
        with machine.database.transaction() as session:
            row = continuity.find(session)
            continuity.begin_epoch(session, row, clock())
            continuity.let_go(row)
        assert machine.beat(3)


def test_the_hold_begins_once_however_many_look(machine, another, clock):
    backup = machine.row()
    machine.beat(3)
    another.beat()
    machine.beat()
    machine.load(backup)
    assert not machine.check()
    since = clock()
    clock.advance(hours=1)
    assert not machine.check()
    assert not another.check()
    assert machine.row()["held_since"] == since


def test_after_the_next_epoch_all_go_on_also_with_a_clock_that_is_wrong(machine, clock):
    backup = machine.row()
    machine.beat(3)
    with machine.database.transaction() as session:
        row = continuity.find(session)
        continuity.begin_epoch(session, row, clock() + timedelta(days=400))
    assert machine.beat()
    machine.load(backup)
    assert not machine.check()
    with machine.database.transaction() as session:
        row = continuity.find(session)
        continuity.begin_epoch(session, row, clock())  # 400 days before what was seen
        continuity.let_go(row)
    assert machine.beat()
    assert machine.restarted().check()


def test_an_older_backup_than_the_last_restore_is_noticed(machine, clock):
    backup = machine.row()
    with machine.database.transaction() as session:
        continuity.begin_epoch(session, continuity.find(session), clock())
    machine.beat()
    machine.load(backup | {"ticks": 99})
    assert not machine.check()


@pytest.mark.postgresql
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("beats", [1, 100])
def test_what_others_move_on_while_it_is_looked_at_did_not_go_back(machine, caplog, beats):
    class Interrupted(LastSeen):
        """Others go on between the two looks of `check`: at the row, and at what was seen."""

        def latest(self, name: str) -> Position | None:
            if others_wait:
                others_wait.clear()
                assert machine.beat(beats)
            return super().latest(name)

    assert machine.beat()
    others_wait = [True]
    slow = machine.restarted()
    slow.last_seen = Interrupted(machine.path)
    assert slow.check()
    assert not others_wait
    assert machine.row()["held_since"] is None
    assert "lost some seconds" not in caplog.text
