"""What a command works with: the services of these settings, over a database of the right schema."""

import getpass
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from pydantic_settings import DotEnvSettingsSource

from identity.keys import process_keys as keys
from identity.migrations import current, newest, upgrade
from identity.services import Services, build_services, build_worker_services
from identity.settings import PREFIX, Settings, WrongSettings, read_settings

from .printing import talk


@contextmanager
def opened(
    build: Callable[[Settings], Services] = build_services,
) -> Iterator[Services]:
    """The services, closed afterwards. The embedded database is brought up to date; others must be already."""
    settings = read_settings()
    warn_of_unknown()
    services = build(settings)
    try:
        bring_up_to_date(settings)
        yield services
    finally:
        services.database.engine.dispose()


def build_services_with_secrets(settings: Settings) -> Services:
    """With the private halves where this command was given them, or at home; else as the web has them."""
    return build_worker_services(settings) if keys.at_hand(settings) else build_services(settings)


def bring_up_to_date(settings: Settings) -> None:
    """Raises WrongSettings for a database that others share and that waits for its operator."""
    if settings.is_embedded:  # where all keys were given, nothing has made the folder yet
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    if current(settings.database) == newest():
        return
    if not settings.is_embedded:
        raise WrongSettings("the database has not the schema of this version: guichet db upgrade")
    upgrade(settings.database)
    settle_hashes(settings)


def settle_hashes(settings: Settings) -> None:
    """Make the key of lasting hashes, and keep what older ones are found by. Raises WrongSettings without keys."""
    services = build_services(settings)
    try:
        with services.database.transaction() as session:
            services.hashes.settle(session, services.now())
    finally:
        services.database.engine.dispose()


def unknown_variables() -> list[str]:
    """The GUICHET_* variables of the environment and of `.env` that say nothing to this version."""
    known = {f"{PREFIX}{name}".upper() for name in Settings.model_fields}
    known |= {f"{PREFIX}{name}_FILE".upper() for name in Settings.model_fields if is_secret(name)}
    given = {name.upper() for name in (*os.environ, *DotEnvSettingsSource(Settings).env_vars)}
    return sorted(name for name in given - known if name.startswith(PREFIX))


def is_secret(name: str) -> bool:
    """Whether a setting may also come as a file."""
    field = Settings.model_fields[name]
    return "SecretStr" in repr(field.annotation) or "SecretStr" in repr(field.metadata)


def warn_of_unknown() -> None:
    """Only a warning: a roll-back to the version before must start."""
    for name in unknown_variables():
        talk(f"guichet: {name} is no setting of this version, it is ignored")


def os_user() -> str:
    """Who runs this; a container may have no name for it."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return f"uid {os.getuid()}"


author = click.option(
    "--author", default=os_user, show_default="the user of the system", help="Who changes this."
)
reason = click.option("--reason", default="", help="Why; kept with the revision.")
dry_run = click.option("--dry-run", is_flag=True, help="Show the difference, write nothing.")
