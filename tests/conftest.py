"""What every test may ask for. The servers stand in `services/`; one that is missing fails the test, it never skips it."""

import gc
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import hypothesis
import pytest

pytest_plugins = [
    "tests.services.url_rules",
    "tests.services.hours",
    "tests.services.postgresql",
    "tests.services.databases",
    "tests.services.pgbouncer",
    "tests.services.redis_server",
    "tests.services.certificates",
    "tests.services.smtp",
    "tests.services.postfix",
    "tests.services.synapse",
    "tests.services.told_room_actions",
    "tests.services.told_guichet",
    "tests.services.told_homeserver",
    "tests.services.trusting_synapse",
    "tests.services.guichet_before",
    "tests.services.browser",
    "tests.services.dns_server",
    "tests.services.nginx",
    "tests.services.processes",
    "tests.services.production",
    "tests.services.faults",
    "tests.services.hostile_peer",
    "tests.worlds.services",
]

# The tests are the same on every machine: no setting of this shell or of a Guichet here, and no proxy between us and loopback.
for name in [name for name in os.environ if name.startswith("GUICHET_")]:
    del os.environ[name]
os.environ["GUICHET_ENV_FILE"] = ""
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "localhost,127.0.0.1,::1"

# No test asserts a time; on a busy machine an example that takes longer than the first time is no fault.
hypothesis.settings.register_profile("here", deadline=None)
hypothesis.settings.load_profile("here")

# Who asks for the fixture carries the mark, so that `-m "not synapse"` leaves out what needs it.
MARK_OF_FIXTURE = {
    "postgresql_server": "postgresql",
    "redis_server": "redis",
    "_synapse_of_the_session": "synapse",
    "trusting_synapses": "synapse",
    "chromium": "browser",
    "guichet_processes": "processes",
    "processes_of_file": "processes",
}
SLOW = ("synapse", "browser", "processes")
# Where real processes wait for one another, a test that failed is tried once more. The summary names it (RERUN),
# and one that is seen there twice is mended.
REAL_SERVERS = {"browser", "synapse"}  # folders, beside what carries a mark of the slow ones
WITH_SERVERS = {"postfix", "nginx"}  # fixtures


def pytest_collection() -> None:
    """Garbage is not looked for while tests are collected, nor among the collected ones later."""
    gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items) -> None:
    for item in items:
        for fixture, mark in MARK_OF_FIXTURE.items():
            if fixture in item.fixturenames:
                item.add_marker(mark)
        is_slow = any(map(item.get_closest_marker, SLOW)) or WITH_SERVERS & {*item.fixturenames}
        if is_slow or REAL_SERVERS & {*item.path.parts}:
            item.add_marker(pytest.mark.flaky(reruns=1))
    # Side by side, the files that take longest begin: none of them is left over at the end.
    slow = {item.path for item in items if any(map(item.get_closest_marker, SLOW))}
    if os.environ.get("PYTEST_XDIST_WORKER"):
        items.sort(key=lambda item: item.path not in slow)


@dataclass
class Clock:
    """Stands still until told otherwise. Called, it tells the time, like `identity.core.clock.utc_now`."""

    time: datetime

    def __call__(self) -> datetime:
        return self.time

    def advance(self, **by: float) -> datetime:
        """`clock.advance(hours=1)`; takes what `timedelta` takes."""
        self.time += timedelta(**by)
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock(datetime(2027, 3, 1, 9, 0, tzinfo=UTC))
