"""Database migrations with Alembic: upgrade a database, and compare its revision with the code."""

from enum import StrEnum
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.orm import Session

from identity.core.database import make_engine

FOLDER = Path(__file__).parent


def alembic_config(url: str) -> Config:
    """Alembic's configuration for a database, by its SQLAlchemy URL."""
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    config.attributes["url"] = url
    return config


def upgrade(url: str, revision: str = "head") -> None:
    """Upgrade the database to a revision.

    Several nodes may do so at once: one works, others wait.
    """
    command.upgrade(alembic_config(url), revision)


def revision_of(session: Session) -> str | None:
    """The revision of the database of this session; None if it is empty."""
    return MigrationContext.configure(session.connection()).get_current_revision()


def current_revision(url: str) -> str | None:
    """The revision of the database; None if it is empty."""
    engine = make_engine(url)
    try:
        with engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()
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
    return Schema.OLDER if revision is None or revision in _known_revisions() else Schema.NEWER


@cache
def newest_revision() -> str | None:
    """The newest revision, which this code needs."""
    return _scripts().get_current_head()


@cache
def _known_revisions() -> frozenset[str]:
    return frozenset(each.revision for each in _scripts().walk_revisions())


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(alembic_config(""))
