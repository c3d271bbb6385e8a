"""All stored spellings of one mailbox are found, by indexes where tables grow."""

import pytest
from sqlalchemy import event, insert

from identity.core.personal_data import spellings
from identity.threepids.associations import Association
from tests.worlds.many_rows import fill
from tests.worlds.services import *

THEIRS = {
    "camille.durand@ac-rouen.example": (
        *("camille.durand+news@ac-rouen.example", "camille.durand+a.b+c@ac-rouen.example"),
    ),
    "ana.martin@gmail.com": (
        *("anamartin@gmail.com", "a.n.a.martin+x@googlemail.com", "ana.martin@googlemail.com"),
    ),
    "zoe@icloud.com": ("zoe@me.com", "zoe+x@mac.com"),
    "+tagged@ac-rouen.example": (),
    "jean@yahoo.fr": ("jean-news@yahoo.fr", "jean-a.b@yahoo.fr", "jean+x@yahoo.fr"),
}
OTHERS = (
    *("camilledurand@ac-rouen.example", "camille.durand@ac-caen.example", "camille@gmail.com"),
    *("camille.durandd@ac-rouen.example", "ana-martin@gmail.com", "jean.x@yahoo.fr"),
    *("jean-news@yahoo.de", "zoe.x@me.com", "jeanne@yahoo.fr", "camille.duran_@ac-rouen.example"),
)


@pytest.fixture
def stored(services, clock):
    every = {each for own, more in THEIRS.items() for each in (own, *more)} | set(OTHERS)
    rows = [
        {"medium": "email", "address": each, "user_id": f"@{n}:a.example", "bound_at": clock()}
        for n, each in enumerate(sorted(every))
    ]
    with services.database.transaction() as session:
        session.execute(insert(Association), rows)
        fill(session, clock(), 400)


@pytest.mark.parametrize("own", THEIRS)
def test_every_spelling_finds_all_others_and_nobody_else(services, stored, own):
    for asked in (own, *THEIRS[own]):
        with services.database.reading() as session:
            found = spellings(session, asked)
        assert (found[0], set(found)) == (asked, {own, *THEIRS[own]})


@pytest.mark.parametrize("own", THEIRS)
def test_tables_that_grow_are_not_read_whole(services, stored, own):
    engine = services.database.engine
    is_sqlite = engine.dialect.name == "sqlite"
    asked = []

    def note(_connection, _cursor, statement, values, _context, _many):
        asked.append((statement, values))

    event.listen(engine, "before_cursor_execute", note)
    with services.database.reading() as session:
        spellings(session, own)
    event.remove(engine, "before_cursor_execute", note)
    plans = []
    with engine.connect() as connection:
        if not is_sqlite:
            connection.exec_driver_sql("SET enable_seqscan = off")
        for statement, values in [each for each in asked if each[0].startswith("SELECT")]:
            how = "EXPLAIN QUERY PLAN" if is_sqlite else "EXPLAIN"
            found = connection.exec_driver_sql(f"{how} {statement}", values)
            plans += [str(step[-1]) for step in found]
    growing = "accounts|associations|verification_requests|third_party_invitations|mails"
    for table in growing.split("|"):
        own_steps = [each for each in plans if f" {table}" in each and "SCAN" in each.upper()]
        assert not [each for each in own_steps if each.startswith((f"SCAN {table}", "Seq Scan"))]
        assert [each for each in plans if f"ix_{table}_" in each]
