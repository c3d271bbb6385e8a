"""Lists that were checked before columns were chosen go on after the upgrade."""

import pytest
from sqlalchemy import text

from identity.bulk_invites import models as bulk_invites
from identity.core.database import Database, make_engine
from identity.migrations import upgrading

BEFORE = "0008"
LIST = "6f1c1f6e5a524f6e9a2f0a4b2b1f9d11"
WHEN = "2026-01-01 00:00:00"


@pytest.mark.slow
def test_the_upgrade_keeps_lists_and_their_rows(empty_database_url):
    upgrading.upgrade(empty_database_url, BEFORE)
    engine = make_engine(empty_database_url)
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO people_lists (id, owner, owner_address, room_id, room_name, takes_guests,"
                " file_name, language, state, created_at) VALUES"
                f" ('{LIST}', '@zoe:x', '', '!r:x', '', true, '', 'fr', 'checked', '{WHEN}')"
            )
        )
        connection.execute(
            text(
                "INSERT INTO people_list_rows (id, list_id, place, line, typed, outcome, detail, caution,"
                f" for_guest, kept, step) VALUES ('{LIST[::-1]}', '{LIST}', 0, 1, 'lea@asso.example',"
                " 'ready', '', '', true, false, '')"
            )
        )
    upgrading.upgrade(empty_database_url)
    try:
        with Database(engine).reading() as session:
            (made,) = bulk_invites.find_by_owner(session, "@zoe:x")
            (row,) = bulk_invites.rows_of(session, made.id)
            assert (made.address_column, made.column_name, made.elsewhere) == (1, "", 0)
            assert (row.typed, row.aside) == ("lea@asso.example", "")
    finally:
        engine.dispose()
