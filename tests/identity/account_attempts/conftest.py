"""A worker, a homeserver by value, and people whose address is confirmed."""

import dataclasses

import pytest
from sqlalchemy import select, text

from identity.core.outbox import Lane
from identity.homeservers import models as homeservers
from identity.registration.models import TypedPassword
from identity.registration.pages import creation as account_creation
from identity.sign_up import service as sign_up
from tests.services.fake_homeserver import FakeHomeserver
from workers import tasks

PASSWORD = "correct horse battery staple"
AGAIN = "another lamp beside the violet"


class Killed(BaseException):
    """kill -9, as far as this process can play it: nothing after it runs."""


@pytest.fixture
def homeserver():
    return FakeHomeserver()


@pytest.fixture
def wired(wiring, homeserver):
    with wiring.database.transaction() as session:
        for name in ("education.example", "guests.example"):
            homeservers.find(session, name).connector = "synapse"
    return dataclasses.replace(wiring, connector_for=lambda _homeserver: homeserver)


@pytest.fixture
def confirm(wired, clock):
    """A confirmed request for an address of this name."""

    def confirm(name="camille.durand"):
        with wired.database.transaction() as session:
            return sign_up.open_confirmed(
                session,
                clock(),
                address=f"{name}@ac-rouen.example",
                homeserver="education.example",
                browser=name,
                language="fr",
            )

    return confirm


@pytest.fixture
def ask(wired):
    def ask(request, password=PASSWORD):
        account_creation.ask(
            wired, request.id, display_name="Camille", password=password, language="fr"
        )

    return ask


@pytest.fixture
def work(wired):
    return lambda lane=Lane.ACCOUNTS: tasks.run(wired, lane)


def stands(wired, request):
    return account_creation.follow(wired, request).stands


def kept(wired) -> list[TypedPassword]:
    with wired.database.reading() as session:
        return list(session.scalars(select(TypedPassword)))


def everything(wired) -> str:
    """Every row of every table, as text."""
    with wired.database.engine.connect() as connection:
        tables = TypedPassword.metadata.tables
        rows = [connection.execute(text(f'select * from "{name}"')).all() for name in tables]
    return str(rows)
