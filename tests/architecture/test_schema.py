"""The migrations lead to the tables the code knows, on both databases."""

from alembic import command
from sqlalchemy import inspect

from identity import migrations
from identity.core.database import Base, make_engine
from identity.migrations import upgrading


def test_models_and_migrations_agree(empty_database_url):
    upgrading.upgrade(empty_database_url)
    command.check(upgrading.alembic_config(empty_database_url))


def test_an_upgrade_may_be_repeated(empty_database_url):
    upgrading.upgrade(empty_database_url)
    first = migrations.current_revision(empty_database_url)
    upgrading.upgrade(empty_database_url)
    assert first
    assert migrations.current_revision(empty_database_url) == first


def test_the_tests_use_the_schema_of_the_migrations(database_url):
    engine = make_engine(database_url)
    try:
        assert set(inspect(engine).get_table_names()) == {*Base.metadata.tables, "alembic_version"}
    finally:
        engine.dispose()


def test_every_time_is_stored_in_utc_and_every_text_without_length():
    columns = [column for table in Base.metadata.tables.values() for column in table.columns]
    assert columns
    times = [
        c
        for c in columns
        if "DateTime" in type(c.type).__name__ and type(c.type).__name__ != "UtcDateTime"
    ]
    texts = [c for c in columns if getattr(c.type, "length", None)]
    assert not times
    assert not texts
