"""A loaded backup brings nobody's access back: an admin confirms who still belongs here."""

from datetime import timedelta

import pytest

from domain_rules.addresses import EmailAddress
from identity.operators import (
    entering,
    links,
    models as operators,
    service as operating,
    sessions,
    tokens as api_tokens,
)
from identity.operators.models import LinkKind
from identity.people import erasure
from identity.problems import NoSuchOperator, OperatorEnabled
from tests.worlds.backups import *
from tests.worlds.operators import *
from tests.worlds.worker import *


@pytest.fixture
def backups(worker_services) -> Backups:
    return Backups(worker_services)


def test_sessions_links_and_tokens_end_and_operators_wait(
    backups, ada, vera, worker_services, clock
):
    database = worker_services.database
    with database.transaction() as session:
        found = operators.find(session, ada.id)
        opened = sessions.open_session(session, clock(), found, proved=True)
        link = links.issue(session, clock(), ada.id, LinkKind.SIGN_IN)
        _, token = api_tokens.issue(
            session,
            clock(),
            SHELL,
            found,
            name="supervision",
            standing=Standing(frozenset({Role.VIEWER})),
            lifetime=timedelta(days=30),
        )
    backups.beat()
    backups.take()
    clock.advance(minutes=1)
    ended = backups.bring_back(clock)
    assert (ended.operators, ended.sessions, ended.tokens) == (2, 1, 1)
    with database.transaction() as session:
        assert sessions.find(session, clock(), opened) is None
        assert links.use(session, clock(), link, LinkKind.SIGN_IN) is None
        assert api_tokens.find_program(session, clock(), token) is None
        with pytest.raises(NoSuchOperator, match="guichet ops confirm"):
            entering.link_for(session, clock(), SHELL, operators.find(session, ada.id))
        operating.confirm(session, clock(), SHELL, ada.id)
        link = entering.link_for(session, clock(), SHELL, operators.find(session, ada.id))
        assert links.use(session, clock(), link, LinkKind.SIGN_IN).name == "Ada"
        assert [each.name for each in operating.find_unconfirmed(session)] == ["Vera"]
        assert ended.operators == 2


def test_begun_twice_nobody_waits_twice(backups, ada, worker_services, clock):
    backups.beat()
    backups.take()
    clock.advance(hours=1)
    backups.load()
    backups.work()
    assert backups.begin().operators == 1
    assert backups.begin().operators == 0


def test_who_may_come_in_is_not_erased_and_who_was_disabled_is(services, ada, vera, acts, clock):
    with services.database.transaction() as session, pytest.raises(OperatorEnabled):
        _erase(services, session, "vera@ops.example")
    acts(operating.disable, vera.id)
    with services.database.transaction() as session:
        _erase(services, session, "vera@ops.example")
    with services.database.reading() as session:
        left = operators.find(session, vera.id)
    assert (left.mail, left.name) == (None, "Vera")


def _erase(services, session, address):
    erasure.erase(
        session,
        services.hashes,
        services.now(),
        EmailAddress.parse(address),
        SHELL,
        log=services.settings.data_dir / "erased.log",
    )
