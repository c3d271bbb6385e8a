import os
import subprocess
import sys
from pathlib import Path

from bench.processor_time import TICKS, read_ticks, used_seconds

WORK = "import time\nwhile time.process_time() < 0.5: pass\n"


def test_the_time_of_a_process_and_of_its_ended_children_is_read_behind_any_name():
    before = "4242 (a) name (of) R) S 1 4242 4242 0 -1 4194560 100 200 0 0 "
    assert read_ticks(before + "17 4 30 9 20 0 3 0 1000 2000 300 18446744073709551615\n") == 60


def test_our_own_time_is_read_as_the_kernel_tells_it():
    stat = Path("/proc/self/stat").read_text(encoding="utf-8")
    assert abs(read_ticks(stat) / TICKS - sum(os.times()[:4])) < 0.1


def test_the_time_of_children_counts_while_they_run_and_once_they_have_ended():
    before = used_seconds([os.getpid()])
    with subprocess.Popen(
        [sys.executable, "-c", f"{WORK}print(flush=True)\nimport sys; sys.stdin.read()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert used_seconds([os.getpid()]) - before >= 0.4  # /proc tells whole ticks
        child.communicate()
    assert used_seconds([os.getpid()]) - before >= 0.4  # /proc tells whole ticks


def test_a_process_that_has_ended_has_used_nothing_any_more():
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert used_seconds([child.pid]) == 0
