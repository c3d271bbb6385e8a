"""Database migrations with Alembic. Here the revision of a database is compared with the code.

That needs no Alembic, which takes a while to load: every process compares, few upgrade (upgrading.py).
"""

from enum import StrEnum
from functools import cache
from pathlib import Path

from sqlalchemy import String, TableClause, column, inspect, select, table
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlalchemy.orm import Session

from identity.core.database import make_engine
from identity.core.database_faults import sqlstate

VERSIONS = Path(__file__).parent / "versions"
REVISIONS: TableClause = table("alembic_version", column("version_num", String))
REVISION = select(REVISIONS.c.version_num)
NO_TABLE, NO_TABLE_IN_SQLITE = "42P01", "no such table"  # the SQLSTATE of PostgreSQL; a message


def revision_of(session: Session) -> str | None:
    """The revision of the database of this session; None if it is empty.

    In one statement, since every /readyz asks. In an empty one, the transaction has failed then.
    """
    try:
        return session.scalar(REVISION)
    except (ProgrammingError, OperationalError) as error:
        if sqlstate(error.orig) == NO_TABLE or NO_TABLE_IN_SQLITE in str(error.orig):
            return None
        raise


def current_revision(url: str) -> str | None:
    """The revision of the database; None if it is empty."""
    engine = make_engine(url)
    try:
        with engine.connect() as connection:
            is_there = inspect(connection).has_table(REVISIONS.name)
            return connection.scalar(REVISION) if is_there else None
    finally:
        engine.dispose()


class Schema(StrEnum):
    """How the schema of a database compares with what this code needs."""

    SAME = "same"
    OLDER = "older"  # or none at all
    NEWER = "newer"  # made by a later version


def compare_schema(revision: str | None) -> Schema:
    """Compare the revision of a database. One that this code does not know is newer."""
    if revision == newest_revision():
        return Schema.SAME
    return Schema.OLDER if revision is None or revision in known_revisions() else Schema.NEWER


def newest_revision() -> str:
    """The newest revision, which this code needs."""
    return max(known_revisions())


@cache
def known_revisions() -> frozenset[str]:
    """All revisions that this code knows, by the names of their files: numbers with four digits."""
    return frozenset(each.name.partition("_")[0] for each in VERSIONS.glob("[0-9]*.py"))
