"""Read by every Python of a skewed clock: faketime 0.9.10 fails at Python's sleep if monotonic time stays true."""

import select
import time


def _sleep(seconds):
    select.select([], [], [], max(seconds, 0))


time.sleep = _sleep
