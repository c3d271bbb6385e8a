"""Opens the database of these settings for a command that only looks into it.

It needs no keys, no mailer and no clients of homeservers, and what they stand on is not loaded.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy.orm import Session

from identity.core.clock import utc_now
from identity.core.database import open_database
from identity.core.private_files import private_folder
from identity.migrations import Schema, compare_schema, current_revision
from identity.settings import Settings, WrongSettings, read_settings
from identity.settings_findings import unknown_variables

from .printing import print_message


@contextmanager
def look() -> Iterator[tuple[Session, datetime]]:
    """A read-only transaction, and the present moment. The embedded database is upgraded before."""
    settings = read_settings()
    warn_of_unknown()
    if settings.stores_files:
        private_folder(settings.data_dir)
    bring_up_to_date(settings)
    database = open_database(settings)
    try:
        with database.reading() as session:
            yield session, utc_now()
    finally:
        database.engine.dispose()


def bring_up_to_date(settings: Settings) -> None:
    """Upgrade the embedded database. Raises WrongSettings if another database needs an upgrade.

    A schema that a later version made serves this one as well.
    """
    if settings.is_embedded:  # if all keys are given, nothing has made the folder yet
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    if compare_schema(current_revision(settings.database)) is not Schema.OLDER:
        return
    if not settings.is_embedded:
        raise WrongSettings(
            "the schema of the database is older than this version: run guichet db upgrade"
        )
    from .upgrading import upgrade_embedded  # noqa: PLC0415  Alembic and all tables, seldom needed

    upgrade_embedded(settings)


def warn_of_unknown() -> None:
    """Warn of unknown variables. No error: after a roll-back, the older version must start."""
    for name in unknown_variables():
        print_message(f"guichet: {name} is not a setting of this version and is ignored")
