"""`guichet db`: upgrade the schema of the database or go back, and show its revision."""

import click

from identity import migrations
from identity.command.looking import warn_of_unknown
from identity.command.opening import (
    author,
    author_here,
    change_options,
    dry_run,
    reason,
)
from identity.command.outcomes import Exit, Failure
from identity.command.printing import as_json, print_json, print_message
from identity.command.upgrading import settle_hashes
from identity.core.clock import utc_now
from identity.core.keyed_hashes import LostKey
from identity.core.private_files import private_folder
from identity.migrations import Schema, upgrading
from identity.migrations.upgrading import CannotDowngrade, WayBack
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
    schema = migrations.compare_schema(before)
    if schema is Schema.NEWER:
        print_message(f"The database is at {before}, of a later version: nothing is to be done.")
    elif schema is Schema.SAME:
        print_message(f"The database is at {before}, the newest schema already.")
    elif dry_run:
        print_message(f"Would go from {before or 'nothing'} to {newest}. Nothing was written.")
    else:
        done = upgrading.upgrade(
            settings.database, who=author_here(author=author, reason=reason), now=utc_now()
        )
        if done.is_any:
            print_message(f"The database went from {done.before or 'nothing'} to {done.after}.")
        else:
            print_message(f"The database is at {done.after} already: another node did it.")
    if not dry_run:
        _settle(settings)


@db.command()
@click.option(
    "--to", "revision", help="The revision to go back to.  [default: before the last upgrade]"
)
@click.option("--discard", is_flag=True, help="Go back though what is named is lost.")
@change_options
def downgrade(
    *, revision: str | None, discard: bool, author: str, reason: str, dry_run: bool
) -> None:
    """Go back to the schema before the last upgrade, for the version before.

    You seldom need it: the version before runs on the newer schema, too, and loses nothing. Stop
    all processes of this version first; those of the version before may run on.

    It is refused (exit code 3) while processes are running that need the newer schema, or if
    something would be lost that people entered. With --discard that is lost.

    \b
    JSON: {"from", "to": text, "running": [text], "dry_run": boolean,
           "lost": [{"table", "column": text or null, "rows": number, "meaning": text}]}
    """  # noqa: D301  \b is click's: keep these lines
    settings = read_settings()
    warn_of_unknown()
    if _current() is None:
        raise Failure("the database is empty")
    try:
        way = upgrading.find_way_back(settings.database, revision)
    except CannotDowngrade as error:
        raise Failure(str(error)) from None
    _tell(way, dry_run=dry_run)
    if dry_run:
        print_message(f"Would go from {way.now} to {way.older}. Nothing was written.")
        return
    if way.dependents:
        named = ", ".join(way.dependents)
        told = f"running, and need a newer schema than {way.older}: {named}. Stop them first"
        raise Failure(f"{told} (what was killed counts for 30 seconds)", Exit.REFUSED)
    if way.losses and not discard:
        raise Failure("nothing was changed; --discard goes back all the same", Exit.REFUSED)
    who = author_here(author=author, reason=reason)
    done = upgrading.downgrade(settings.database, way, who=who, now=utc_now())
    print_message(f"The database went from {done.before} to {done.after}. Start the older version.")


def _tell(way: WayBack, *, dry_run: bool) -> None:
    """What would be lost, and who is in the way."""
    lost = [{**vars(each), "meaning": each.meaning} for each in way.losses]
    facts = {"from": way.now, "to": way.older, "lost": lost, "running": list(way.dependents)}
    if print_json({**facts, "dry_run": dry_run}):
        return
    if way.losses:
        click.echo("Would be lost:", err=True)
        for each in way.losses:
            click.echo(f"  {each}", err=True)
    if dry_run and way.dependents:
        click.echo(f"Must be stopped first: {', '.join(way.dependents)}.", err=True)


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
