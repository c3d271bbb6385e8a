"""A Redis of the suite's own: in memory, on a free port."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from identity.core.outbox import Lane

from .children import Child, MissingService, Server
from .waiting import LOOPBACK, free_port


class RedisServer(Server):
    """`stop`, `start` and `kill` for tests of bad days; whatever it held is then lost."""

    def __init__(self, folder: Path) -> None:
        if not shutil.which("redis-server"):
            raise MissingService("Redis is not installed: apt-get install redis-server")
        self.folder = folder
        self.port = free_port()

    @property
    def url(self) -> str:
        return f"redis://{LOOPBACK}:{self.port}/0"

    def start(self) -> None:
        self.child = Child(
            ["redis-server", *("--port", str(self.port)), *("--bind", LOOPBACK), *("--save", "")],
            log=self.folder / "redis.log",
            env={"PATH": os.environ["PATH"]},
            cwd=self.folder,
        )
        self.child.wait_until(self._answers, what="Redis answers")

    def bells(self) -> tuple[int, int]:
        """How many messages were ever put into a queue, and how many wait there for a worker."""
        with redis.Redis.from_url(self.url) as client:
            put = client.info("commandstats").get("cmdstat_lpush", {}).get("calls", 0)
            return put, sum(client.llen(lane) for lane in Lane)

    def flush(self) -> None:
        with redis.Redis.from_url(self.url) as client:
            client.flushall()

    def _answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def redis_url(redis_server) -> str:
    """Running, and empty."""
    if not redis_server.running:  # an earlier test left it down
        redis_server.start()
    redis_server.flush()
    return redis_server.url
