"""Proofs that were given before they were kept for themselves are found by the upgrade, on both databases."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import MetaData, Table, insert

from identity.accounts import verified_addresses
from identity.core.database import Database, make_engine
from identity.migrations import upgrading

BEFORE = "0006"
THEN = datetime(2026, 1, 1, tzinfo=UTC)


def account(number, state, **facts):
    return {
        "id": f"{number:032x}",
        "address": f"a{number}@ac-rouen.example",
        "user_id": f"@a{number}:education.example",
        "homeserver": "education.example",
        "account_class": "agent",
        "display_name": "A",
        "language": "fr",
        "state": state,
        "creation_mark": "mark",
        "created_at": THEN.replace(tzinfo=None),
        **facts,
    }


def association(number):
    return {
        "medium": "email",
        "address": f"a{number}@ac-rouen.example",
        "user_id": f"@a{number}:education.example",
        "bound_at": THEN.replace(tzinfo=None),
    }


@pytest.mark.slow
def test_who_is_associated_or_has_an_account_has_proved_the_address(empty_database_url):
    upgrading.upgrade(empty_database_url, BEFORE)
    engine = make_engine(empty_database_url)
    tables = MetaData()
    with engine.begin() as connection:
        for name, rows in (
            ("associations", [association(1), association(2)]),
            # 2 is in both; 3 withdrew the association; 4 was never finished.
            ("accounts", [account(2, "ready"), account(3, "ready"), account(4, "creating")]),
        ):
            connection.execute(insert(Table(name, tables, autoload_with=connection)), rows)
    upgrading.upgrade(empty_database_url)
    try:
        with Database(engine).reading() as session:
            found = [
                verified_addresses.addresses_of(session, f"@a{number}:education.example")
                for number in range(1, 5)
            ]
    finally:
        engine.dispose()
    assert found == [
        ["a1@ac-rouen.example"],
        ["a2@ac-rouen.example"],
        ["a3@ac-rouen.example"],
        [],
    ]
