"""`guichet doctor` tells of modules that do not understand what they are told."""

import pytest

from identity.homeservers.module_models import HomeserverModule
from tests.worlds.command_line import *

NAME = "told.example"


@pytest.fixture
def told(run, told_homeserver, opened, clock):
    """What doctor says of a homeserver whose module has said this of itself."""
    run("homeserver", "add", NAME, "--url", told_homeserver.url, "--guests")

    def told(**said):
        facts = {"version": 2, "reports": "", "actions": "", "skipped": 0} | said
        with opened.transaction() as session:
            session.add(HomeserverModule(homeserver=NAME, heard_at=clock(), **facts))
        return [(each["told"], each["fix"]) for each in run.json("doctor") if each["what"] == NAME]

    return told


def test_nothing_is_said_of_a_module_that_understands_everything(told):
    assert not [said for said, _ in told() if "its module" in said]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"skipped": 3}, "its module does not understand 3 of the rules in force"),
        ({"version": 1}, "its module is of an older version"),
    ],
)
def test_a_module_to_be_upgraded_is_told_and_what_mends_it(told, said, expected):
    (first, fix), *_ = told(**said)
    assert first == expected
    assert fix.startswith("upgrade the module there")
