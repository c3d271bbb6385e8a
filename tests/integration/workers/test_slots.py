"""No lane fills the pool: each has its slots, the urgent one always a process, and a slot outlives no process."""

import subprocess
import sys
from pathlib import Path

from identity.core.outbox import Lane
from tests.worlds.worker import *
from workers import slots
from workers.celery_app import app

ROOT = Path(__file__).parents[3]
# Five processes of one worker ask for a slot, one after the other, and keep what they get.
FIVE = """
import os, signal
from identity.core.outbox import Lane
from workers.slots import slot
got = []
for _ in range(5):
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        with slot(Lane.ACCOUNTS) as is_free:
            os.write(writing, b"1" if is_free else b"0")
            signal.pause()
    got.append((pid, os.read(reading, 1)))
print([bit.decode() for _, bit in got], flush=True)
os.kill(got[0][0], signal.SIGKILL)
os.waitpid(got[0][0], 0)
with slot(Lane.ACCOUNTS) as is_free:
    print(is_free, flush=True)
for pid, _ in got[1:]:
    os.kill(pid, signal.SIGKILL)
"""


# So many processes, in a pool of so many, ask for a slot of each name; which of them get one.
ASKING = """
import os, signal, sys
from workers import slots
slots.share(int(sys.argv[1]))
got = []
for name in sys.argv[2:]:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        with slots.slot(name) as is_free:
            os.write(writing, b"1" if is_free else b"0")
            signal.pause()
    got.append((pid, os.read(reading, 1)))
print("".join(bit.decode() for _, bit in got))
for pid, _ in got:
    os.kill(pid, signal.SIGKILL)
"""


def asked(pool, *names) -> str:
    done = subprocess.run(
        [sys.executable, "-c", ASKING, str(pool), *names],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout.strip()


def test_every_lane_has_its_slots_and_the_pool_a_process_for_each():
    assert set(slots.SLOTS) == {*Lane, slots.JOBS}
    assert sum(slots.SLOTS.values()) == slots.POOL == app.conf.worker_concurrency


def test_a_lane_with_many_bells_gets_no_more_than_its_slots():
    wanted = [name for name, number in slots.SLOTS.items() for _ in range(number + 2)]
    given = "".join("1" * number + "00" for number in slots.SLOTS.values())
    assert asked(slots.POOL, *wanted) == given


def test_of_two_processes_the_other_lanes_leave_one_to_the_codes():
    others = [name for name in slots.SLOTS if name != Lane.URGENT]
    assert asked(2, *others, Lane.URGENT) == "1" + "0" * (len(others) - 1) + "1"


def test_one_process_alone_serves_all_lanes():
    assert asked(1, Lane.BULK) == asked(1, Lane.URGENT) == "1"


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
