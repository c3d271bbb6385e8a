"""Alembic's environment: runs all migrations in one transaction, see running.py."""

import warnings
from typing import Any, Literal

from alembic import context
from sqlalchemy import Connection, exc

from identity import tables
from identity.core.database import UtcDateTime, make_engine
from identity.core.database_deadlines import UPGRADE


def render_item(kind: str, item: Any, _autogen_context: Any) -> str | Literal[False]:
    """Write our column types into migrations as plain SQLAlchemy types: ours may change later."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    return False


def run_in(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=tables.METADATA,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=True,
        render_item=render_item,
        transaction_per_migration=False,
    )
    with warnings.catch_warnings():
        # SQLite does not tell what an index over an expression is over: these are not compared there.
        warnings.filterwarnings("ignore", "Skipped unsupported reflection", exc.SAWarning)
        warnings.filterwarnings("ignore", "autogenerate skipping metadata-specified expression")
        context.run_migrations()


def run() -> None:
    """Run in the transaction of running.py; Alembic's other commands get one here."""
    given = context.config.attributes.get("connection")
    if given is not None:
        run_in(given)
        return
    engine = make_engine(context.config.attributes["url"], UPGRADE)
    try:
        with engine.begin() as connection:
            run_in(connection)
    finally:
        engine.dispose()


run()
