"""Who typed an agent's address at /lists, and proved nothing, sees nothing of the agent's sign-in."""

import pytest
from sqlalchemy import select

from identity.core.one_time_codes.models import Purpose
from identity.mail.models import Mail
from identity.threepids import associations
from tests.worlds.bulk_inviters import HERS
from tests.worlds.pages import *
from tests.worlds.pages import ZOE
from tests.worlds.visitors import words


@pytest.mark.parametrize("way", ["nobody", "the field", "the link"])
def test_a_stranger_sees_the_page_of_an_open_request(site, way):
    with site.services.database.transaction() as session:
        associations.bind(session, site.clock(), address=HERS, user_id=ZOE)
    stranger, zoe = site.visitor(), site.visitor()
    stranger.post("/lists/sign-in", email=HERS)
    zoe.post("/lists/sign-in", email=HERS)
    site.post()
    code = site.mailed_code(Purpose.LISTS, HERS)
    with site.services.database.reading() as session:
        (mail,) = session.scalars(select(Mail))
    link = f"/v/{site.services.tokens.link(mail.subject_id, 'lists')}"
    if way == "the field":
        zoe.post("/lists/code", code=code)
    elif way == "the link":
        zoe.get(link)
        zoe.post(link, code=code)
    assert (zoe.at == "/lists") is (way != "nobody")
    seen = words(stranger.post("/lists/code", code="00000000"))
    assert "Ce code ne correspond pas" in seen
    assert "4 essais" in seen
