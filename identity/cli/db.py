"""`guichet db`: upgrade the schema of the database or go back, and show its revision."""

import click

from identity import migrations
from identity.command.opening import (
    author,
    author_here,
    change_options,
    dry_run,
    reason,
    settle_hashes,
    warn_of_unknown,
)
from identity.command.outcomes import Exit, Failure
from identity.command.printing import as_json, print_json, print_message
from identity.core import nodes
from identity.core.clock import utc_now
from identity.core.database import open_database
from identity.core.keyed_hashes import LostKey
from identity.core.private_files import private_folder
from identity.migrations import CannotDowngrade, Schema
from identity.settings import Settings, WrongSettings, read_settings


@click.group()
def db() -> None:
    """Upgrade the database to the schema of this version, or go back to the one before."""


@db.command()
@author
@reason
@dry_run
def upgrade(*, author: str, reason: str, dry_run: bool) -> None:
    """Make or change the tables. You can repeat it, also on several nodes at once.

    The previous version may go on serving meanwhile. One node works; others wait for it, up to 15
    minutes. If a table stays in use, nothing is changed, and you read who uses it.
    """
    settings = read_settings()
    warn_of_unknown()
    if settings.is_embedded and not dry_run:
        private_folder(settings.data_dir)
    before, newest = _current(), migrations.newest_revision()
    if migrations.compare_schema(before) is not Schema.OLDER:
        print_message(f"The database is at {before}, the newest schema already.")
    elif dry_run:
        print_message(f"Would go from {before or 'nothing'} to {newest}. Nothing was written.")
    else:
        done = migrations.upgrade(
            settings.database, who=author_here(author=author, reason=reason), now=utc_now()
        )
        if done.is_any:
            print_message(f"The database went from {done.before or 'nothing'} to {done.after}.")
        else:
            print_message(f"The database is at {done.after} already: another node did it.")
    if not dry_run:
        _settle(settings)


@db.command()
@click.option("--to", "revision", help="The revision to go back to.  [default: as before upgrade]")
@click.option("--discard", is_flag=True, help="Go back though what is named is lost.")
@change_options
def downgrade(
    *, revision: str | None, discard: bool, author: str, reason: str, dry_run: bool
) -> None:
    """Go back to the schema before the last upgrade, for the version before.

    You seldom need it: the version before runs on the newer schema, too. Stop all processes first.
    It is refused (exit code 3) while some are running, or if something would be lost.

    \b
    JSON: {"from", "to": text, "lost": [{"table", "column": text or null, "rows": number}],
           "dry_run": boolean}
    """  # noqa: D301  \b is click's: keep these lines
    settings = read_settings()
    warn_of_unknown()
    if _current() is None:
        raise Failure("the database is empty")
    try:
        way = migrations.find_way_back(settings.database, revision)
    except CannotDowngrade as error:
        raise Failure(str(error)) from None
    lost = [vars(each) for each in way.losses]
    if print_json({"from": way.now, "to": way.older, "lost": lost, "dry_run": dry_run}):
        pass
    elif way.losses:
        click.echo("Would be lost: " + ", ".join(map(str, way.losses)) + ".", err=True)
    if dry_run:
        print_message(f"Would go from {way.now} to {way.older}. Nothing was written.")
        return
    _refuse_while_running(settings)
    if way.losses and not discard:
        raise Failure("nothing was changed; --discard goes back all the same", Exit.REFUSED)
    who = author_here(author=author, reason=reason)
    done = migrations.downgrade(settings.database, way, who=who, now=utc_now())
    print_message(f"The database went from {done.before} to {done.after}. Start the older version.")


def _refuse_while_running(settings: Settings) -> None:
    """Processes of this version do not understand the older schema."""
    if migrations.compare_schema(_current()) is not Schema.SAME:
        return  # our tables may not be there
    database = open_database(settings)
    try:
        with database.reading() as session:
            now = nodes.read_database_clock(session) or utc_now()
            alive = nodes.find_alive(session, now)
    finally:
        database.engine.dispose()
    if alive:
        named = ", ".join(sorted({f"{each.kind} on {each.host}" for each in alive}))
        told = f"{named} are running, and need this schema: stop them first"
        raise Failure(told, Exit.REFUSED)


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
