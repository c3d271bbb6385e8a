"""Several processes count into one folder: nothing is counted twice, forgotten or shown of the dead."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from identity.core import metric_files

# What a process does before it is told to end: it joins, counts, says so, and waits.
JOIN = """
import os, sys
from pathlib import Path
from identity.core import metric_files, metrics
metric_files.join(Path(sys.argv[1]))
"""
COUNT = """
metrics.LIMITS.inc(int(sys.argv[2]), limit="mails")
metrics.LIMITS_STORE.set(int(sys.argv[3]))
"""
WAIT = """
print("ready", flush=True)
sys.stdin.read()
"""
SHOW = """
from identity.core import exposition
sys.stdout.buffer.write(exposition.show())
"""
FORK = """
children = []
for amount in (1, 2):
    child = os.fork()
    if child == 0:
        metrics.LIMITS.inc(amount, limit="mails")
        os._exit(0)
    children.append(child)
for child in children:
    os.waitpid(child, 0)
metrics.LIMITS.inc(4, limit="mails")
"""


def run(*parts: str, folder: Path, arguments=("0", "1"), **how) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", "".join(parts), str(folder), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **how,
    )


class Holder:
    """A process that has joined and counted, and lives until it is ended."""

    def __init__(self, folder: Path, amount: int, store: int = 1) -> None:
        arguments = (str(amount), str(store))
        self.process = run(JOIN, COUNT, WAIT, folder=folder, arguments=arguments)
        assert self.process.stdout.readline() == "ready\n", self.process.stderr.read()

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(number)
        self.process.communicate()


def shown(folder: Path, *before: str) -> dict[str, float]:
    """What one more process shows, by sample; without what says who it is."""
    process = run(JOIN, *before, SHOW, folder=folder)
    said, told = process.communicate(timeout=60)
    assert process.returncode == 0, told
    return {
        sample.name: sample.value
        for family in text_string_to_metric_families(said)
        for sample in family.samples
        if sample.name != "guichet_build_info"
    }


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "metrics" / "web"


@pytest.fixture
def hold(folder):
    holders = []

    def hold(*facts) -> Holder:
        holders.append(Holder(folder, *facts))
        return holders[-1]

    yield hold
    for each in holders:
        each.end(signal.SIGKILL)


def test_what_several_processes_count_is_added_up(folder, hold):
    hold(3)
    hold(4)
    assert shown(folder) == {"guichet_limits_hit_total": 7, "guichet_limits_store_up": 1}


def test_a_process_that_was_killed_goes_on_counting_and_its_gauges_go(folder, hold):
    hold(3)
    dying = hold(4, 0)
    assert shown(folder)["guichet_limits_store_up"] == 0
    dying.end(signal.SIGKILL)
    assert shown(folder) == {"guichet_limits_hit_total": 7, "guichet_limits_store_up": 1}


def test_the_next_process_takes_the_place_of_one_that_ended(folder, hold):
    hold(1)
    for _ in range(3):
        hold(10).end(signal.SIGKILL)
    assert shown(folder)["guichet_limits_hit_total"] == 31
    assert len([*folder.glob("counter_*.db")]) == 2


def test_the_first_process_empties_what_others_left(folder, hold):
    hold(5).end()
    (folder / "notes.txt").write_text("of the operator")
    hold(2)
    assert shown(folder)["guichet_limits_hit_total"] == 2
    assert (folder / "notes.txt").exists()


def test_children_of_a_fork_count_apart_from_their_parent(folder):
    assert shown(folder, FORK)["guichet_limits_hit_total"] == 7
    assert len([*folder.glob("counter_*.db")]) >= 2


def test_a_file_that_is_not_whole_is_left_out(folder, hold):
    hold(3)
    used = (1 << 20).to_bytes(4, sys.byteorder)
    (folder / "counter_99.db").write_bytes(used + bytes(4) + b"\xff" * 64)
    assert shown(folder)["guichet_limits_hit_total"] == 3


def test_room_is_taken_before_anything_is_counted(folder, hold):
    """A file that grows on a full disk would kill its process."""
    hold(1)
    for name, size in metric_files.SIZES.items():
        found = (folder / f"{name}_0.db").stat()
        assert found.st_size == size
        assert found.st_blocks * 512 >= size


def test_the_folder_is_for_its_user_only(folder, hold):
    hold(1)
    assert folder.stat().st_mode & 0o077 == 0
    assert not [path for path in folder.iterdir() if path.stat().st_mode & 0o077]


def test_a_folder_that_cannot_be_used_stops_nobody(tmp_path):
    (tmp_path / "taken").write_text("a file")
    own = tmp_path / "tmp"
    own.mkdir()
    process = run(
        *(JOIN, COUNT, SHOW),
        folder=tmp_path / "taken/web",
        arguments=("6", "1"),
        env={**os.environ, "TMPDIR": str(own)},
    )
    said, told = process.communicate(timeout=60)
    assert 'guichet_limits_hit_total{limit="mails"} 6.0' in said
    assert "cannot be used" in told


def test_folders_of_killed_workers_are_removed(tmp_path):
    program = JOIN.replace("metric_files.join(Path(sys.argv[1]))", "metric_files.join_own()")
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    for _ in range(2):
        process = run(program, COUNT, WAIT, folder=tmp_path, env=env)
        assert process.stdout.readline() == "ready\n"
        process.kill()
        process.communicate()
        assert len([*tmp_path.iterdir()]) == 1


def test_the_folder_is_ours_unless_prometheus_own_variable_names_one(tmp_path, monkeypatch):
    monkeypatch.delenv(metric_files.VARIABLE, raising=False)
    assert metric_files.shared_folder(tmp_path, "web") == tmp_path / "metrics/web"
    monkeypatch.setenv(metric_files.VARIABLE, "/run/metrics")
    assert metric_files.shared_folder(tmp_path, "web") == Path("/run/metrics/web")
    # A server that starts itself anew hands on what it set.
    monkeypatch.setenv(metric_files.VARIABLE, "/run/metrics/web")
    assert metric_files.shared_folder(tmp_path, "web") == Path("/run/metrics/web")
