"""The journal in the console shows what came by one door: the console, the API, or the shell."""

import re

import pytest

from identity.core import journal
from identity.core.journal import BY_COMMAND, Actor
from identity.operators.roles import Role
from tests.worlds.console import *

ORIGINS = {
    "console": "console from 10.1.0.0/24",
    "api": "api token supervision from 10.1.0.0/24",
    "shell": f"{BY_COMMAND}ops-1",
}


@pytest.fixture
def database_url(sqlite_url):
    return sqlite_url


def test_each_door_shows_its_own_rows(services, clock, sign_in, make_operator):
    browser = sign_in(make_operator("Audrey", Role.AUDITOR))
    for door, origin in ORIGINS.items():
        with services.database.transaction() as session:
            who = Actor("Olga", origin, "ticket 12")
            journal.write(session, clock(), who, action=f"door.{door}", subject="x", facts={})
    for door in ORIGINS:
        page = browser.get(f"/admin/journal?door={door}&action=door").text
        assert re.findall(r"door\.(\w+)", page) == [door]
        assert f'<option value="{door}" selected>' in page
