"""Accounts never fill the pool: a worker carries out four at once, and a slot outlives no process."""

import subprocess
import sys
from pathlib import Path

from identity.storage.outbox import Lane
from workers import slots
from workers.celery_app import app

ROOT = Path(__file__).parents[2]
# Five processes of one worker ask for a slot, one after the other, and keep what they get.
FIVE = """
import os, signal, time
from identity.storage.outbox import Lane
from workers.slots import slot
got = []
for _ in range(5):
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        with slot(Lane.ACCOUNTS) as is_free:
            os.write(writing, b"1" if is_free else b"0")
            time.sleep(600)
    got.append((pid, os.read(reading, 1)))
print([bit.decode() for _, bit in got], flush=True)
os.kill(got[0][0], signal.SIGKILL)
os.waitpid(got[0][0], 0)
with slot(Lane.ACCOUNTS) as is_free:
    print(is_free, flush=True)
for pid, _ in got[1:]:
    os.kill(pid, signal.SIGKILL)
"""


def test_the_pool_has_four_places_for_accounts_beside_those_of_the_other_lanes():
    assert slots.POOL == 4 + len(Lane) - 1 == app.conf.worker_concurrency


def test_four_processes_of_a_worker_make_accounts_and_one_that_is_killed_gives_its_place_back():
    done = subprocess.run(
        [sys.executable, "-c", FIVE],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout.splitlines() == ["['1', '1', '1', '1', '0']", "True"]


def test_other_lanes_are_not_limited():
    with slots.slot(Lane.URGENT) as one, slots.slot(Lane.URGENT) as another:
        assert one
        assert another
