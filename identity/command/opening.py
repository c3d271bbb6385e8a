"""Opens the services for a command, and checks that the database has the right schema."""

import os
import pwd
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click
from sqlalchemy.orm import Session

from identity.core.journal import BY_COMMAND, Actor
from identity.keys import process_keys as keys
from identity.services import Services, build_services, build_worker_services
from identity.settings import Settings, read_settings

from . import words
from .looking import bring_up_to_date, warn_of_unknown
from .printing import as_json


@contextmanager
def open_services(
    build: Callable[[Settings], Services] = build_services,
) -> Iterator[Services]:
    """The services of these settings, closed afterwards. The embedded database is upgraded."""
    settings = read_settings()
    warn_of_unknown()
    services = build(settings)
    try:
        bring_up_to_date(settings)
        yield services
    finally:
        services.database.engine.dispose()


@contextmanager
def changing(
    *, dry_run: bool, build: Callable[[Settings], Services] = build_services
) -> Iterator[tuple[Services, Session]]:
    """The services and a writing transaction, which is rolled back at the end of a dry run."""
    with open_services(build) as services, services.database.transaction() as session:
        yield services, session
        if dry_run:
            session.rollback()


def build_services_with_secrets(settings: Settings) -> Services:
    """Build the services with the private keys of the worker if this process has them."""
    return (
        build_worker_services(settings)
        if keys.has_private_halves(settings)
        else build_services(settings)
    )


def operator() -> str:
    """Who makes a change here: who called sudo, or else the user who runs this.

    In a container there may be only a uid.
    """
    if caller := os.environ.get("SUDO_USER"):
        return caller
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


author = click.option(
    "--author",
    type=words.WANTED,
    default=operator,
    show_default="who called sudo, or else the user of the system",
    help="Who makes this change.",
)
reason = click.option(
    "--reason", type=words.OPTIONAL, default="", help="Why you make this change; stored with it."
)
reason_required = click.option(
    "--reason",
    type=words.WANTED,
    required=True,
    help="Why you do this; stored with it, addresses masked.",
)
reason_shown = click.option(
    "--reason",
    type=words.WANTED,
    required=True,
    help="Why you do this; stored with it, addresses masked, and shown in lists.",
)
dry_run = click.option("--dry-run", is_flag=True, help="Show what would change, but write nothing.")


def with_options(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A decorator that adds several options to a command, as if each stood above it in this order."""

    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


change_options = with_options(author, reason, dry_run, as_json)
explained_options = with_options(author, reason_required, dry_run, as_json)
"""Of a change that nobody should find later without a reason."""
stop_options = with_options(author, reason_shown, dry_run, as_json)
"""Of what stops something until it is ended again."""


def author_here(*, author: str, reason: str) -> Actor:
    """The author of a change made on this command line."""
    return Actor(author, f"{BY_COMMAND}{socket.gethostname()}", reason)
