"""Operators change rules in the console, where two approvers are there and each change takes another person."""

from dataclasses import replace

import pytest

from identity.app import create_app
from identity.operators.roles import Role
from identity.routing import models as stored_rules
from identity.rule_changes import changes
from identity.threepids import associations
from tests.worlds.services import EDUCATION, GUESTS
from workers import tasks

ASSO = "asso.example"
OPEN = {"pattern": ASSO, "outcome": "open", "homeserver": EDUCATION, "organisation": "Asso"}


@pytest.fixture
def app(services):
    settings = services.settings.model_copy(update={"approvals": "two"})
    return create_app(replace(services, settings=settings))


@pytest.fixture
def people(services, clock):
    """Three guests with addresses of asso.example."""
    with services.database.transaction() as session:
        for number in range(3):
            address, user_id = f"gil{number}@{ASSO}", f"@g{number}:{GUESTS}"
            associations.bind(session, clock(), address=address, user_id=user_id)


@pytest.fixture
def ivo(make_operator):
    return make_operator("Ivo", Role.APPROVER)


@pytest.fixture
def approvers(ines, ivo, clock):
    """Two, whom nobody invited lately."""
    clock.advance(days=31)


@pytest.fixture
def work(services):
    """The worker does what waits, and what follows from it."""

    def work():
        for _ in range(2):
            for lane in ("bulk", "normal"):
                tasks.run_lane(services, lane)

    return work


@pytest.fixture
def read(services):
    """The change of this number."""

    def read(number=1):
        with services.database.reading() as session:
            return changes.required(session, number)

    return read


@pytest.fixture
def in_force(services):
    """The rule in force for a pattern, or None."""

    def in_force(pattern=ASSO):
        with services.database.reading() as session:
            number = stored_rules.current_number(session)
            return {rule.pattern: rule for rule in stored_rules.load(session, number)}.get(pattern)

    return in_force


@pytest.fixture
def editor(sign_in, emil):
    return sign_in(emil)


@pytest.fixture
def made(editor, people, work):
    """Emil prepared C-1, which opens asso.example, and the worker has counted it."""
    editor.get("/admin/changes/new")
    editor.post("/admin/changes/new", **OPEN)
    work()
    return editor


@pytest.fixture
def proposed(made):
    made.get("/admin/changes/C-1")
    made.post("/admin/changes/C-1/propose")
    return made


@pytest.fixture
def applied(proposed, sign_in, approvers, ines, work):
    browser = sign_in(ines)
    browser.get("/admin/changes/C-1")
    browser.post("/admin/changes/C-1/approve", typed="3")
    work()
    return browser
