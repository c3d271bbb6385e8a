"""Database migrations with Alembic: upgrade a database, and compare its revision with the code."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

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


def current_revision(url: str) -> str | None:
    """The revision of the database; None if it is empty."""
    engine = make_engine(url)
    try:
        with engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()
    finally:
        engine.dispose()


def newest_revision() -> str | None:
    """The newest revision, which this code needs."""
    return ScriptDirectory.from_config(alembic_config("")).get_current_head()
