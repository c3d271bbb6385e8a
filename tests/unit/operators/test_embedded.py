"""The operator of a trial installation is nobody any more once the service is public."""

from datetime import timedelta

import pytest

from identity.health.checks.operators import check_operators
from identity.operators import service as operating, tokens as api_tokens
from identity.operators.roles import Role
from identity.operators.service import Standing
from identity.problems import LastAdmin
from identity.rule_changes import approvals
from identity.settings import Settings
from tests.worlds.admin_api import *

PUBLIC = {
    "public_url": "https://guichet.example.org",
    "smtp_url": "smtp://relay.example.org",
    "approvals": "two",
}


@pytest.fixture
def database_url(sqlite_url):
    return sqlite_url


@pytest.fixture
def settings(settings, request) -> Settings:
    given = getattr(request, "param", {})
    keys = settings.secret_keys
    return Settings(_env_file=None, data_dir=settings.data_dir, secret_keys=keys, **given)


@pytest.fixture
def local(services, clock):
    with services.database.transaction() as session:
        return operating.make_embedded(session, clock())


public = pytest.mark.parametrize("settings", [PUBLIC], indirect=True)


def test_it_takes_no_admins_place(services, clock, local, ada, make_operator):
    viewer = Standing(frozenset({Role.VIEWER}))
    with services.database.transaction() as session:
        with pytest.raises(LastAdmin):
            operating.disable(session, clock(), SHELL, ada.id)
        with pytest.raises(LastAdmin):
            operating.change(session, clock(), SHELL, ada.id, viewer)
    make_operator("Axel", Role.ADMIN)
    with services.database.transaction() as session:
        assert operating.disable(session, clock(), SHELL, ada.id).disabled_at == clock()


def test_who_is_alone_with_it_may_not_lock_it_out(services, clock, local):
    with services.database.transaction() as session, pytest.raises(LastAdmin):
        operating.disable(session, clock(), SHELL, local.id)


def issue(services, clock, local):
    with services.database.transaction() as session:
        made = api_tokens.issue(
            session,
            clock(),
            SHELL,
            session.merge(local),
            name="of the trial",
            standing=Standing(frozenset({Role.ADMIN})),
            lifetime=timedelta(days=30),
        )
        return made[1]


def test_its_tokens_are_good_on_the_one_machine(services, clock, local, app):
    assert Program(app, issue(services, clock, local)).get("/operators").status_code == 200


@public
def test_its_tokens_end_where_the_service_is_public(services, clock, local, app):
    assert Program(app, issue(services, clock, local)).get("/operators").status_code == 401


@public
def test_it_is_no_second_approver_where_the_service_is_public(services, clock, local, ines):
    with services.database.reading() as session:
        assert not approvals.needs_two(session, services.settings)
        said = [each.told for each in check_operators(session, services.settings, clock())]
    assert said[0] == "1 operators, 0 of them admins"


def test_it_is_an_approver_on_the_one_machine(services, local, ines):
    settings = services.settings.model_copy(update={"approvals": "two"})
    with services.database.reading() as session:
        assert approvals.needs_two(session, settings)


@pytest.mark.parametrize(
    ("given", "is_local"),
    [
        ({}, True),
        ({"console_url": "http://localhost:8095"}, True),
        ({"console_url": "https://ops.example.org"}, False),
        (PUBLIC, False),
        ({**PUBLIC, "console_url": "https://localhost:8095"}, False),
    ],
)
def test_the_service_is_public_where_people_or_operators_are(given, is_local):
    given = {"smtp_url": "smtp://relay.example.org", **given}
    assert Settings(_env_file=None, **given).is_local is is_local
