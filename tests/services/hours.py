"""In the process of the tests no hour and no day of a rate limit ends while a test counts.

Limits count within whole hours and days of the system's clock. A test that does what may be done 30 times an hour, and
expects to be refused the next time, would fail whenever the hour ended meanwhile.
"""

import time
from types import SimpleNamespace

from limits import strategies
from limits.storage import memory, redis

from identity.core import rate_limits

DAY = 86_400.0
_noon_and_a_half = time.time() // DAY * DAY + DAY / 2 + 1800.0

for _module in (memory, redis, strategies, rate_limits):
    _module.time = SimpleNamespace(time=lambda: _noon_and_a_half)
