"""A real PgBouncer that lends connections of the suite's PostgreSQL for one transaction each."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from .children import Child, MissingService
from .waiting import LOOPBACK, free_port, port_answers

CONFIGURATION = """\
[databases]
{name} = host={host} port={server_port} dbname={name} user={user}
[pgbouncer]
listen_addr = {host}
listen_port = {port}
auth_type = any
pool_mode = transaction
default_pool_size = 3
"""


def program() -> str:
    found = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        raise MissingService("PgBouncer is not installed: apt-get install pgbouncer")
    return found


@pytest.fixture
def pgbouncer() -> Iterator[Callable[[str], str]]:
    """`pgbouncer(postgresql_url)`: a URL of the same database, with the pooler in between."""
    folders: list[Path] = []
    children: list[Child] = []
    user = "postgres" if os.geteuid() == 0 else None  # it refuses to run as root

    def start(url: str) -> str:
        there, port = make_url(url), free_port()
        folder = Path(tempfile.mkdtemp(prefix="guichet-pgbouncer-"))
        folders.append(folder)
        facts = {"name": there.database, "server_port": there.port, "user": there.username}
        configuration = folder / "pgbouncer.ini"
        configuration.write_text(CONFIGURATION.format(host=LOOPBACK, port=port, **facts))
        if user:
            shutil.chown(folder, user)
        argv, log = [program(), str(configuration)], folder.with_suffix(".log")
        child = Child(argv, log=log, env={}, cwd=folder, user=user)
        children.append(child)
        child.wait_until(lambda: port_answers(port), what="PgBouncer listens")
        return f"{there.drivername}://{there.username}@{LOOPBACK}:{port}/{there.database}"

    yield start
    for child in children:
        child.kill()
        print(child.log[-4000:])  # noqa: T201  pytest shows it when the test failed
        child.log_path.unlink()
    for folder in folders:
        shutil.rmtree(folder)
