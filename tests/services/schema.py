"""The tables as an operator gets them: by the migrations."""

import logging

from identity.migrations import upgrading


def create_schema(url: str) -> None:
    """Bring an empty database to the newest schema."""
    # Alembic tells every step; nobody asked for it in the log of some test.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    upgrading.upgrade(url)
