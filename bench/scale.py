"""Measures the hot paths of a federation of ten million accounts, beside one of a million.

It takes most of an hour and some 40 GB of disk, so it runs only when it is named:
`make bench ARGS=scale`. docs/scale.md says what follows from the figures. Guichet runs in this
process: what the server of HTTP costs is not in them.
"""

import os
import random
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from itertools import count
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient
from pydantic import SecretStr
from redis import Redis
from sqlalchemy import Engine, text

from identity.app import create_app
from identity.core.clock import utc_now
from identity.core.database import Database, make_engine
from identity.core.database_deadlines import UPGRADE
from identity.migrations import upgrading
from identity.services import Services, build_services
from identity.settings import Settings
from identity.threepids import lookup, peppers
from tests.services.keys import KEYS
from tests.services.postgresql import PostgreSQLServer
from tests.services.redis_server import RedisServer

from . import scale_rows, scale_work
from .rows import Row
from .spent import Meter, Spent

SIZES = 1_000_000, 10_000_000  # associations, each with its hash
# Fewer with BENCH_SCALE_PARTS: what is measured by row is the same.
ACCOUNTS = 10_000_000 // int(os.environ.get("BENCH_SCALE_PARTS", "1"))
PEOPLE_A_MAIL = 2  # of the month
WAITING, MARK = 200_000, 10**9  # jobs of lists, and the number of the first
GROWTH = 1.3
ACCOUNTS_ASKED = 500  # whose limits are counted in Redis
V2 = "/_matrix/identity/v2"
MODULE = "/api/homeserver/v1"
# Memory as for such a database, and nothing that makes filling slow.
POSTGRESQL = {
    "shared_buffers": "4GB",
    "maintenance_work_mem": "1GB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "1h",
    "autovacuum": "off",
}


@dataclass
class Site:
    """Guichet in this process, with its servers. `have`: so many associations are there."""

    server: PostgreSQLServer
    redis: RedisServer
    services: Services
    public: FlaskClient
    internal: FlaskClient
    credential: str
    meter: Meter
    filler: Engine
    have: int = 0

    def somebody(self) -> int:
        """The number of a person with an account and a token."""
        return random.randrange(min(self.have, ACCOUNTS))


def measure() -> Iterator[Row]:
    """Run the suite."""
    found: dict[int, dict[str, Spent]] = {}
    with _site() as site:
        for size in SIZES:
            yield from _grow(site, size)
            paths = _paths(site)
            found[size] = {
                name: site.meter.measure(act, times) for name, (act, times) in paths.items()
            }
            yield from _rows(size, found[size], found[SIZES[0]])
            yield from scale_work.measure(site.services, site.meter, size)
        yield from _sizes(site)
        yield from scale_work.feeds(site.internal, site.credential, site.meter)
        yield _redis(site)
        yield _dump(site)


def _rows(size: int, found: dict[str, Spent], first: dict[str, Spent]) -> Iterator[Row]:
    for name, spent in found.items():
        yield Row(f"{name}, {size:,} associations", spent.elapsed, "ms", detail=str(spent))
        if found is not first:
            was, now = (each.here + each.database for each in (first[name], spent))
            yield Row(f"{name}, as it grows tenfold", now / was, "x", at_most=GROWTH)


def _paths(site: Site) -> dict[str, tuple[Callable[[], Any], int]]:
    """What is asked, and how often in a round."""
    with site.services.database.reading() as session:
        pepper = lookup.current_pepper(session)
    numbers = count(random.randrange(10**9))
    ask = partial(_ask, site)

    def look_up(hashes: int) -> Callable[[], Any]:
        def act() -> Any:
            asked = [
                peppers.hash_address(address, "email", pepper)
                for n in random.sample(range(site.have), -(-hashes // 2))
                for address in (scale_rows.address_of(n), f"x{n}@elsewhere.example")
            ][:hashes]
            facts = {"algorithm": "sha256", "pepper": pepper, "addresses": asked}
            return ask("POST", f"{V2}/lookup", facts)

        return act

    def request_token() -> Any:
        facts = {"client_secret": "s3cret", "send_attempt": 1}
        address = f"new{next(numbers)}@d5.example"
        return ask("POST", f"{V2}/validate/email/requestToken", {"email": address, **facts})

    def store_invite() -> Any:
        who, number = site.somebody(), next(numbers)
        facts = {"medium": "email", "address": f"new{number}@d5.example"}
        more = {"room_id": f"!r{number}:hs1.example", "sender": scale_rows.user_of(who)}
        return ask("POST", f"{V2}/store-invite", facts | more, who=who)

    return {
        "account": (lambda: ask("GET", f"{V2}/account"), 40),
        "hash_details": (lambda: ask("GET", f"{V2}/hash_details"), 40),
        "lookup-1": (look_up(1), 40),
        "lookup-100": (look_up(100), 20),
        "lookup-1000": (look_up(1000), 10),
        "requestToken": (request_token, 20),
        "store-invite": (store_invite, 20),
        "lease": (partial(scale_work.lease, site.services), 40),
    }


def _ask(
    site: Site, method: str, path: str, facts: dict[str, Any] | None = None, who: int | None = None
) -> Any:
    """A request of somebody, from a network of their own: limits are on, and not what is measured."""
    who = site.somebody() if who is None else who
    answer = site.public.open(
        path,
        method=method,
        json=facts,
        headers={"Authorization": f"Bearer token-{who}"},
        environ_overrides={"REMOTE_ADDR": f"2001:db8:{who >> 16:x}:{who & 0xFFFF:x}::1"},
    )
    if answer.status_code != HTTPStatus.OK:
        raise SystemExit(f"{path}: {answer.status_code} {answer.get_data(as_text=True)[:200]}")
    return answer


def _grow(site: Site, size: int) -> Iterator[Row]:
    began = time.perf_counter()
    had, have = (min(each, ACCOUNTS) for each in (site.have, size))
    scale_rows.fill(site.filler, scale_rows.FOUND, site.have, size)
    scale_rows.fill(site.filler, scale_rows.ACCOUNTS, had, have)
    scale_rows.fill(site.filler, scale_rows.MAILS, had // PEOPLE_A_MAIL, have // PEOPLE_A_MAIL)
    if not site.have:
        scale_rows.fill(site.filler, scale_rows.WAITING, MARK, MARK + WAITING)
    site.have = size
    yield Row(f"filling, {size:,} associations", time.perf_counter() - began, "s")


def _sizes(site: Site) -> Iterator[Row]:
    asked = text("""select c.relname, c.reltuples, pg_table_size(c.oid), pg_indexes_size(c.oid)
        from pg_class c where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace
        and c.reltuples > 100000 order by pg_total_relation_size(c.oid) desc""")
    with site.filler.connect() as connection:
        for table, rows, own, indexes in connection.execute(asked):
            told = f"{rows:,.0f} rows; table {own / 2**20:,.0f} MiB, indexes {indexes / 2**20:,.0f} MiB"
            yield Row(f"{table}, a row", (own + indexes) / rows, "bytes", detail=told)
        whole = connection.scalar(text("select pg_database_size(current_database())"))
    yield Row("the whole database", whole / 2**30, "GiB")


def _redis(site: Site) -> Row:
    """What the limits keep of an account that looked up a hundred addresses today."""
    look_up, _times = _paths(site)["lookup-100"]
    with Redis.from_url(site.redis.url) as client:

        def state() -> tuple[int, int]:
            return (
                client.info("memory")["used_memory_dataset"],
                client.info("stats")["total_commands_processed"],
            )

        client.flushall()
        used, commands = state()
        for _ in range(ACCOUNTS_ASKED):
            look_up()
        used, commands = (now - was for now, was in zip(state(), (used, commands), strict=True))
    told = f"{commands / ACCOUNTS_ASKED:.1f} commands for each request"
    return Row("Redis, of an account and its network", used / ACCOUNTS_ASKED, "bytes", detail=told)


def _dump(site: Site) -> Row:
    """A backup, thrown away: its seconds and its size."""
    url = site.services.settings.database.replace("+psycopg", "")
    began, size = time.perf_counter(), 0
    command = [str(site.server.binaries / "pg_dump"), "--format=custom", "--compress=1", url]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as dumping:
        assert dumping.stdout is not None
        while part := dumping.stdout.read(1 << 20):
            size += len(part)
    if dumping.returncode:
        raise SystemExit("pg_dump failed")
    told = f"{size / 2**30:.2f} GiB compressed"
    return Row("pg_dump", time.perf_counter() - began, "s", detail=told)


@contextmanager
def _site() -> Iterator[Site]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="guichet-scale-")))
        folder.chmod(0o755)  # PostgreSQL runs as another user than root
        for name in ("postgresql", "redis"):
            (folder / name).mkdir()
        server, redis = PostgreSQLServer(folder / "postgresql"), RedisServer(folder / "redis")
        for each in (server, redis):
            stack.callback(each.kill)
            each.start()
        for name, value in POSTGRESQL.items():
            server.execute(f"alter system set {name} = '{value}'")
        server.stop()
        server.start()
        url = server.url(server.create_database())
        upgrading.upgrade(url)
        filler = make_engine(url, UPGRADE)
        stack.callback(filler.dispose)
        credential = scale_rows.begin(Database(filler), utc_now())
        services = build_services(_settings(url, redis.url), patience=UPGRADE)
        stack.callback(services.database.engine.dispose)
        assert server.child is not None
        yield Site(
            server=server,
            redis=redis,
            services=services,
            public=create_app(services).test_client(),
            internal=create_app(services, listener="internal").test_client(),
            credential=credential,
            meter=Meter(services.database.engine, server.child.pid),
            filler=filler,
        )


def _settings(url: str, redis: str) -> Settings:
    names = ("secret_keys", "storage_keys", "homeserver_public_key")
    keys = {name: KEYS[f"GUICHET_{name.upper()}"] for name in names}
    return Settings(
        database_url=SecretStr(url),
        broker_url=SecretStr(redis),
        redis_url=SecretStr(redis),
        mail_from="Guichet <bonjour@guichet.example>",
        **keys,
    )
