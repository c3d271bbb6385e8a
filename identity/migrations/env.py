"""Alembic's environment: runs all migrations in one transaction, on one node at a time."""

from typing import Any, Literal

from alembic import context
from sqlalchemy import text

from identity import tables
from identity.core.database import UtcDateTime, make_engine
from identity.core.database_deadlines import UPGRADE

LOCK = 7_265_002  # an arbitrary number: PostgreSQL's advisory lock for upgrades


def render_item(kind: str, item: Any, _autogen_context: Any) -> str | Literal[False]:
    """Write our column types into migrations as plain SQLAlchemy types: ours may change later."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    return False


def run() -> None:
    """Run the migrations, holding a lock on PostgreSQL."""
    engine = make_engine(context.config.attributes["url"], UPGRADE)
    try:
        with engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SET LOCAL lock_timeout = '60s'"))
                connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
            context.configure(
                connection=connection,
                target_metadata=tables.METADATA,
                render_as_batch=connection.dialect.name == "sqlite",
                compare_type=True,
                render_item=render_item,
                transaction_per_migration=False,
            )
            context.run_migrations()
    finally:
        engine.dispose()


run()
