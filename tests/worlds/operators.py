"""Operators with a role each: Vera looks, Emil edits, Ines approves, Ada administers."""

import pyotp
import pytest

from identity.core.journal import Actor
from identity.operators import factors, models as operators, service as operating
from identity.operators.roles import Role
from identity.operators.service import Standing
from tests.worlds.services import *

SHELL = Actor("root", "the shell", "a test")


class Apps:
    """The authenticator apps of operators, which show the code of a moment."""

    def __init__(self, services, clock) -> None:
        self.services, self.clock = services, clock
        self.secrets: dict[object, str] = {}

    def enrol(self, operator) -> list[str]:
        """The operator's app is added and proved; returns the recovery codes."""
        with self.services.database.transaction() as session:
            found = operators.find(session, operator.id)
            vault, now = self.services.vault, self.clock()
            secret = factors.begin_enrolment(session, vault, now, found.id)
            self.secrets[operator.id] = secret
            _, codes = factors.confirm_enrolment(session, vault, now, found, self.code(operator))
        return codes

    def code(self, operator) -> str:
        """What the app shows now."""
        return pyotp.TOTP(self.secrets[operator.id]).at(self.clock())


@pytest.fixture
def make_operator(services, clock):
    def make_operator(name, *roles, **facts):
        scope = facts.pop("scope", None)
        standing = Standing(frozenset(roles), *([scope] if scope else []))
        with services.database.transaction() as session:
            return operating.add(
                session,
                clock(),
                facts.pop("by", SHELL),
                mail=f"{name.lower()}@ops.example",
                name=name,
                language="en",
                standing=standing,
            )

    return make_operator


@pytest.fixture
def vera(make_operator):
    return make_operator("Vera", Role.VIEWER)


@pytest.fixture
def emil(make_operator):
    return make_operator("Emil", Role.EDITOR)


@pytest.fixture
def ines(make_operator):
    return make_operator("Ines", Role.APPROVER)


@pytest.fixture
def ada(make_operator):
    return make_operator("Ada", Role.ADMIN)


@pytest.fixture
def apps(services, clock):
    return Apps(services, clock)
