"""The schema, step by step: `guichet db upgrade` brings a database to the newest revision."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from identity.core.database import make_engine

FOLDER = Path(__file__).parent


def config(url: str) -> Config:
    """Alembic's configuration for a database; the URL is SQLAlchemy's."""
    made = Config()
    made.set_main_option("script_location", str(FOLDER))
    made.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    made.attributes["url"] = url
    return made


def upgrade(url: str, revision: str = "head") -> None:
    """Bring the database to a revision. Several nodes at once are fine: one does it, the others wait."""
    command.upgrade(config(url), revision)


def current(url: str) -> str | None:
    """The revision the database is at; None for an empty one."""
    engine = make_engine(url)
    try:
        with engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()
    finally:
        engine.dispose()


def newest() -> str | None:
    """The revision this code expects."""
    return ScriptDirectory.from_config(config("")).get_current_head()


def check(url: str) -> None:
    """Raises alembic's CommandError if models and database differ."""
    command.check(config(url))
