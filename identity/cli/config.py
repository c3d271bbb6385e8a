"""`guichet config`: check and show the settings."""

from typing import Any

import click
from pydantic import SecretStr
from sqlalchemy import make_url

from identity.command.opening import build_services_with_secrets, unknown_variables, warn_of_unknown
from identity.command.printing import as_json, print_json, print_message
from identity.keys import process_keys as keys
from identity.settings import PREFIX, Settings, WrongSettings, read_settings

MASK = "********"


@click.group()
def config() -> None:
    """Check and show the settings (GUICHET_*)."""


@config.command()
def check() -> None:
    """Check that Guichet can start with these settings. Unknown variables are an error here."""
    faults = [f"{name}: no setting of this version" for name in unknown_variables()]
    try:
        settings = read_settings()
        keys.check_halves(settings)
        if settings.database_url is not None:
            make_url(settings.database)
            build_services_with_secrets(settings).database.engine.dispose()
    except WrongSettings as error:
        faults += str(error).splitlines()
    if faults:
        raise WrongSettings("\n".join(faults))
    print_message("The settings can be used.")


@config.command()
@as_json
def show() -> None:
    """Show every setting in force, secrets masked.

    JSON: {variable: value}; null where nothing is set
    """
    settings = read_settings()
    warn_of_unknown()
    shown = {
        f"{PREFIX}{name}".upper(): _masked(getattr(settings, name))
        for name in Settings.model_fields
    }
    if print_json(shown):
        return
    for name, value in shown.items():
        click.echo(f"{name}={_written(value)}")


def _masked(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return MASK
    if isinstance(value, tuple):
        return [_masked(each) for each in value]
    return value if value is None else str(value)


def _written(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(value)
    return "" if value is None else str(value)
