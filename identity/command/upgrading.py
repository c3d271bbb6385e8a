"""Upgrades the embedded database, which no operator does by a command of its own."""

from identity.migrations.upgrading import upgrade
from identity.services import build_services
from identity.settings import Settings


def upgrade_embedded(settings: Settings) -> None:
    """Upgrade its schema, and settle the hashes."""
    upgrade(settings.database)
    settle_hashes(settings)


def settle_hashes(settings: Settings) -> None:
    """Make the key of keyed hashes, and store link keys that older hashes need.

    Raises WrongSettings if keys are missing in the settings.
    """
    services = build_services(settings)
    try:
        with services.database.transaction() as session:
            services.hashes.settle(session, services.now())
    finally:
        services.database.engine.dispose()
