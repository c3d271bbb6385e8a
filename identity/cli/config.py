"""`guichet config`: check and show the settings."""

from collections.abc import Callable
from typing import Any

import click

from identity.command.looking import warn_of_unknown
from identity.command.opening import build_services_with_secrets
from identity.command.printing import as_json, print_json, print_message
from identity.env_files import WrongEnvFile
from identity.keys import process_keys as keys
from identity.mail.relay_url import check_relay
from identity.settings import Settings, WrongSettings, read_settings
from identity.settings_findings import (
    described_database,
    described_unknown,
    find_faults,
    unknown_variables,
    where_from,
)
from identity.settings_shown import describe_all
from identity.threepids.terms import read_terms


@click.group()
def config() -> None:
    """Check and show the settings (GUICHET_*)."""


@config.command()
def check() -> None:
    """Check that Guichet can start with these settings, and that each of them was meant so.

    Stricter than a start: what is unknown, contradictory or out of reach is an error here, too.
    """
    faults: list[str] = []
    try:
        settings = read_settings()
    except WrongSettings as error:
        faults = [*_unknown(), *str(error).splitlines()]
    else:
        faults = [*find_faults(settings), *_faults_of_start(settings)]
    if faults:
        raise WrongSettings("\n".join(faults))
    print_message(
        f"The settings can be used. They come from {where_from()}; "
        f"the database is {described_database(settings)}."
    )


def _unknown() -> list[str]:
    try:
        return [described_unknown(name) for name in unknown_variables()]
    except WrongEnvFile:  # it is named already
        return []


def _faults_of_start(settings: Settings) -> list[str]:
    """What would stop the start of a process later than its settings are read."""
    found = []
    steps: list[Callable[[], object]] = [
        lambda: keys.check_halves(settings),
        lambda: read_terms(settings.terms_file),
        lambda: check_relay(settings),
        lambda: _build(settings),
    ]
    for step in steps:
        try:
            step()
        except WrongSettings as error:
            found += str(error).splitlines()
    return list(dict.fromkeys(found))


def _build(settings: Settings) -> None:
    if settings.database_url is not None:  # else keys would be made
        build_services_with_secrets(settings).database.engine.dispose()


@config.command()
@as_json
def show() -> None:
    """Show every setting in force, secrets masked.

    JSON: {variable: value}; null where nothing is set
    """
    settings = read_settings()
    warn_of_unknown()
    shown = {each["name"]: each["value"] for each in describe_all(settings)}
    if print_json(shown):
        return
    for name, value in shown.items():
        click.echo(f"{name}={_written(value)}")


def _written(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(value)
    return "" if value is None else str(value)
