"""A list is one parameter of a statement whose text stays the same, on both databases."""

import pytest
from sqlalchemy import Text, bindparam, select

from identity.core.lists import is_among
from identity.threepids.associations import Association, bind
from tests.worlds.statements import statements

TEXTS = ["plain", "", "a,b", '"quoted"', "{braces}", "back\\slash", "NULL", "é and 🙂", "new\nline"]


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_is_found_as_it_is_and_no_other_is(database, text):
    others = [each for each in TEXTS if each != text]
    among = select(is_among(bindparam("text", type_=Text()), "texts"))
    with database.reading() as session:
        assert session.scalar(among, {"text": text, "texts": TEXTS})
        assert not session.scalar(among, {"text": text, "texts": others})


def test_lists_of_any_length_have_one_text(database, clock):
    with database.transaction() as session:
        bind(session, clock(), address="ana@a.example", user_id="@ana:a.example")
    found = select(Association.user_id).where(is_among(Association.address, "addresses"))
    with database.reading() as session, statements(database.engine) as sent:
        for asked in ([], ["ana@a.example"], ["ana@a.example", *map(str, range(999))]):
            got = session.scalars(found, {"addresses": asked}).all()
            assert got == (["@ana:a.example"] if asked else [])
    assert len({text for text, _ in sent}) == 1
