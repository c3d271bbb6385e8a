"""Lists in statements: one parameter of one text, and each row is looked up by an index, on both databases."""

import pytest
from sqlalchemy import Text, bindparam, select, text

from identity.core import rows
from identity.core.database import Database
from identity.core.lists import is_among
from identity.mail.models import Mail
from identity.threepids import lookup_queries
from identity.threepids.associations import Association, bind
from tests.worlds.statements import statements

TEXTS = ["plain", "", "a,b", '"quoted"', "{braces}", "back\\slash", "NULL", "é and 🙂", "new\nline"]


@pytest.mark.parametrize("typed", TEXTS)
def test_a_text_is_found_as_it_is_and_no_other_is(database, typed):
    others = [each for each in TEXTS if each != typed]
    among = select(is_among(bindparam("text", type_=Text()), "texts"))
    with database.reading() as session:
        assert session.scalar(among, {"text": typed, "texts": TEXTS})
        assert not session.scalar(among, {"text": typed, "texts": others})


def test_lists_of_any_length_have_one_text(database, clock):
    with database.transaction() as session:
        bind(session, clock(), address="ana@a.example", user_id="@ana:a.example")
    found = select(Association.user_id).where(is_among(Association.address, "addresses"))
    with database.reading() as session, statements(database.engine) as sent:
        for asked in ([], ["ana@a.example"], ["ana@a.example", *map(str, range(999))]):
            got = session.scalars(found, {"addresses": asked}).all()
            assert got == (["@ana:a.example"] if asked else [])
    assert len({statement for statement, _ in sent}) == 1


def plans(database: Database, statements_and_facts) -> str:
    """How the database carries these statements out."""
    how = "EXPLAIN" if database.engine.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
    with database.engine.connect() as connection:
        if how == "EXPLAIN":  # the tables are empty: else it would read them whole
            connection.execute(text("set enable_seqscan = off"))
        found = [
            connection.exec_driver_sql(f"{how} {statement}", facts)
            for statement, facts in statements_and_facts
        ]
        return "\n".join(str(row) for each in found for row in each)


def test_what_is_asked_for_is_looked_up_by_an_index(database, clock):
    with database.reading() as session, statements(database.engine) as sent:
        for find, asked in (
            (lookup_queries.find_by_hash, {"hashes": {"a", "b"}}),
            (lookup_queries.find_by_address, {"addresses": {"ana@a.example"}}),
        ):
            find(session, clock(), pepper="none", **asked)
    plan = plans(database, [each for each in sent if each[0].startswith(("SELECT", "WITH"))])
    for table in ("lookup_hashes", "associations"):
        assert f"SCAN {table}" not in plan
        assert f"Seq Scan on {table}" not in plan


def test_some_rows_are_deleted_by_their_key(database):
    with database.transaction() as session, statements(database.engine) as sent:
        assert rows.delete(session, Mail, Mail.address != "", limit=2) == 0
    [deletion] = [each for each in sent if each[0].startswith("DELETE")]
    plan = plans(database, [deletion])
    assert "SEARCH mails USING" in plan or "Index Cond: (id = ANY" in plan
