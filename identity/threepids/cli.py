"""`guichet pepper rotate`: another pepper for lookups, while lookups go on."""

from collections.abc import Iterator
from math import ceil

import click

from identity.command.opening import author, dry_run, opened, reason
from identity.command.printing import as_json, print_json, talk
from identity.command.progress import followed
from identity.rule_changes.cli.publishing import author_here
from identity.services import Services

from . import lookup_queries as lookup
from . import pepper_rotation, peppers
from .lookup_queries import Key
from .pepper_rotation import AT_ONCE, THE_START
from .peppers import Pepper

FORGOTTEN_AT_ONCE = 20_000  # hashes deleted in one transaction


@click.group()
def pepper() -> None:
    """The pepper of lookups: what addresses are hashed with."""


@pepper.command()
@author
@reason
@dry_run
@as_json
def rotate(*, author: str, reason: str, dry_run: bool, json_wanted: bool) -> None:
    """Put another pepper in force once every association is hashed with it.

    Nobody is missed meanwhile. The one before stays good for an hour, for clients that have it still.
    A rotation that was interrupted goes on where a further one begins.

    JSON: {"associations": number, "dry_run": boolean}
    """
    with opened() as services:
        with services.database.reading() as session:
            count = lookup.size(session)
        if not dry_run:
            _rotate(services, count, author=author, reason=reason)
    if json_wanted:
        print_json({"associations": count, "dry_run": dry_run})
    if dry_run:
        talk(f"{count} associations would be hashed anew. Nothing was written.")
    else:
        talk(f"{count} associations are hashed anew; clients are told the new pepper.")


def _rotate(services: Services, count: int, *, author: str, reason: str) -> None:
    while _forget_some(services):
        pass
    with services.database.transaction() as session:
        made = pepper_rotation.begin(session, services.now())
    for _ in followed("parts hashed", _filling(services, made), ceil(count / AT_ONCE)):
        pass
    with services.database.transaction() as session:
        pepper_rotation.finish(
            session, services.now(), made, author_here(author=author, reason=reason)
        )


def _filling(services: Services, made: Pepper) -> Iterator[Key]:
    """One transaction for each part, so that nobody who binds waits long."""
    where: Key | None = THE_START
    while where is not None:
        with services.database.transaction() as session:
            where = lookup.fill(session, made, after=where, most=AT_ONCE)
        if where is not None:
            yield where


def _forget_some(services: Services) -> bool:
    """Part of what is left of peppers that have ended. Whether there is more."""
    with services.database.transaction() as session:
        return (
            peppers.forget_ended(session, services.now(), most=FORGOTTEN_AT_ONCE)
            == FORGOTTEN_AT_ONCE
        )
