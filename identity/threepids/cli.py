"""`guichet pepper rotate`: replace the pepper of lookups without interrupting them."""

from collections.abc import Iterator
from math import ceil

import click

from identity.command.opening import (
    author_here,
    change_options,
    open_services,
)
from identity.command.printing import print_json, print_message
from identity.command.progress import track_progress
from identity.services import Services

from . import lookup_queries, pepper_rotation, peppers
from .lookup_queries import Key
from .pepper_rotation import AT_ONCE, THE_START
from .peppers import Pepper

FORGOTTEN_AT_ONCE = 20_000  # hashes deleted in one transaction


@click.group()
def pepper() -> None:
    """The pepper with which addresses are hashed for lookups."""


@pepper.command()
@change_options
def rotate(*, author: str, reason: str, dry_run: bool) -> None:
    """Put another pepper in force once every association is hashed with it.

    Lookups find everybody during the rotation. The previous pepper stays valid for an hour, for
    clients that still have it. If a rotation was interrupted, the next one goes on from there.

    JSON: {"associations": number, "dry_run": boolean}
    """
    with open_services() as services:
        with services.database.reading() as session:
            count = lookup_queries.count_associations(session)
        if not dry_run:
            _rotate(services, count, author=author, reason=reason)
    print_json({"associations": count, "dry_run": dry_run})
    if dry_run:
        print_message(f"{count} associations would be hashed anew. Nothing was written.")
    else:
        print_message(f"{count} associations are hashed anew; clients are told the new pepper.")


def _rotate(services: Services, count: int, *, author: str, reason: str) -> None:
    while _forget_some(services):
        pass
    with services.database.transaction() as session:
        made = pepper_rotation.begin(session, services.now())
    for _ in track_progress("parts hashed", _filling(services, made), ceil(count / AT_ONCE)):
        pass
    with services.database.transaction() as session:
        pepper_rotation.finish(
            session, services.now(), made, author_here(author=author, reason=reason)
        )


def _filling(services: Services, made: Pepper) -> Iterator[Key]:
    """Hash the associations, a transaction for each part, so that no bind waits long."""
    position: Key | None = THE_START
    while position is not None:
        with services.database.transaction() as session:
            position = lookup_queries.hash_next(session, made, after=position, most=AT_ONCE)
        if position is not None:
            yield position


def _forget_some(services: Services) -> bool:
    """Delete some hashes of ended peppers. Whether there may be more."""
    with services.database.transaction() as session:
        return (
            peppers.forget_ended(session, services.now(), most=FORGOTTEN_AT_ONCE)
            == FORGOTTEN_AT_ONCE
        )
