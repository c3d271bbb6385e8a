"""A database of its own, for suites that ask no web process."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from identity.core.database import Database, make_engine
from identity.migrations import upgrading
from tests.services.postgresql import PostgreSQLServer


@contextmanager
def new_database() -> Iterator[Database]:
    """A database of its own on a PostgreSQL server of its own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # the server runs as another user than root
        server_folder = Path(folder) / "postgresql"
        server_folder.mkdir()
        server = PostgreSQLServer(server_folder)
        server.start()
        database = None
        try:
            url = server.url(server.create_database())
            upgrading.upgrade(url)
            database = Database(make_engine(url))
            yield database
        finally:
            if database:
                database.engine.dispose()
            server.kill()
