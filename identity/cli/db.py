"""`guichet db`: upgrade the schema of the database, and show its revision."""

import click

from identity import migrations
from identity.command.opening import dry_run, settle_hashes, warn_of_unknown
from identity.command.outcomes import Failure
from identity.command.printing import as_json, print_json, print_message
from identity.core.keyed_hashes import LostKey
from identity.core.private_files import private_folder
from identity.settings import Settings, WrongSettings, read_settings


@click.group()
def db() -> None:
    """Upgrade the database to the schema of this version."""


@db.command()
@dry_run
def upgrade(*, dry_run: bool) -> None:
    """Make or change the tables. You can repeat it, also on several nodes at once."""
    settings = read_settings()
    warn_of_unknown()
    if settings.is_embedded and not dry_run:
        private_folder(settings.data_dir)
    before = _current()
    if before == migrations.newest_revision():
        print_message(f"The database is at {before}, the newest schema already.")
    elif dry_run:
        print_message(
            f"Would go from {before or 'nothing'} to {migrations.newest_revision()}. Nothing was written."
        )
    else:
        migrations.upgrade(settings.database)
        print_message(f"The database went from {before or 'nothing'} to {_current()}.")
    if not dry_run:
        _settle(settings)


def _settle(settings: Settings) -> None:
    try:
        settle_hashes(settings)
    except WrongSettings as missing:
        print_message(
            f"Keep GUICHET_SECRET_KEYS as they are until the worker has run at night: {missing}"
        )
    except LostKey as lost:
        raise Failure(f"{lost}: guichet doctor says what mends it") from None


@db.command()
@as_json
def current() -> None:
    """Show the revision of the schema, and the one this version needs.

    JSON: {"current": text or null, "newest": text}
    """
    if print_json({"current": _current(), "newest": migrations.newest_revision()}):
        return
    click.echo(_current() or "empty")
    if _current() != migrations.newest_revision():
        print_message(f"This version needs {migrations.newest_revision()}: guichet db upgrade")


def _current() -> str | None:
    """The current revision. An embedded database that does not exist is not made by this."""
    settings = read_settings()
    if settings.is_embedded and not (settings.data_dir / "guichet.db").exists():
        return None
    return migrations.current_revision(settings.database)
