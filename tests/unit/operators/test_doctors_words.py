"""What the doctor says of a production: nobody may be the only one, and approvals are as set."""

import pytest

from identity.core.findings import State
from identity.health.checks.operators import check_operators
from identity.operators import service as operating
from tests.worlds.operators import *


@pytest.fixture
def told(services, clock, settings):
    def told(**changed):
        facts = {"database_url": "postgresql+psycopg://guichet@db/guichet", **changed}
        production = settings.model_copy(update=facts)
        with services.database.reading() as session:
            found = list(check_operators(session, production, clock()))
        return {each.what: each.told for each in found if each.state is not State.OK}

    return told


def test_somebody_can_sign_in_and_nobody_is_the_only_admin(told, make_operator, acts):
    assert told()["console"] == "nobody can sign in: there is no operator"
    assert told(console="off") == {}
    make_operator("Ines", Role.APPROVER)
    assert told()["console"] == "there is no admin"
    ada = make_operator("Ada", Role.ADMIN)
    assert told()["console"].startswith("one admin only")
    make_operator("Bea", Role.ADMIN)
    assert "console" not in told()
    acts(operating.disable, ada.id)
    assert told()["console"].startswith("one admin only")


def test_two_approve_only_where_there_are_two(told, make_operator):
    make_operator("Ines", Role.APPROVER)
    assert "but 1 may approve" in told()["approvals"]
    assert "approvals" not in told(approvals="one")
    make_operator("Emil", Role.APPROVER)
    assert "approvals" not in told()
