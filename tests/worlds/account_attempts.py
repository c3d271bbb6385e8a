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
def worker_services(services, homeserver):
    with services.database.transaction() as session:
        for name in ("education.example", "guests.example"):
            homeservers.find(session, name).connector = "synapse"
    return dataclasses.replace(services, connector_for=lambda _homeserver: homeserver)


@pytest.fixture
def confirm(worker_services, clock):
    """A confirmed request for an address of this name."""

    def confirm(name="camille.durand"):
        with worker_services.database.transaction() as session:
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
def ask(worker_services):
    def ask(request, password=PASSWORD):
        account_creation.request_account(
            worker_services, request.id, display_name="Camille", password=password, language="fr"
        )

    return ask


@pytest.fixture
def work(worker_services):
    return lambda lane=Lane.ACCOUNTS: tasks.run_lane(worker_services, lane)


def stands(worker_services, request):
    return account_creation.find_progress(worker_services, request).status


def kept(worker_services) -> list[TypedPassword]:
    with worker_services.database.reading() as session:
        return list(session.scalars(select(TypedPassword)))


def everything(worker_services) -> str:
    """Every row of every table, as text."""
    with worker_services.database.engine.connect() as connection:
        tables = TypedPassword.metadata.tables
        rows = [connection.execute(text(f'select * from "{name}"')).all() for name in tables]
    return str(rows)
