"""A module says what it can do; how long that is believed depends on what for."""

from dataclasses import replace

import pytest
from sqlalchemy import select

from identity.homeservers import modules as homeserver_modules
from identity.homeservers.module_models import HomeserverModule
from identity.homeservers.modules import Declared, Revisions

HOME = "education.example"
UNKNOWN = Revisions()
ALL = homeserver_modules.read_declaration("2", "joined,left", "room,revoke")


@pytest.fixture
def hear(services, clock):
    """The module asks for the rules now. Whether that was written down."""

    def hear(declared=ALL, revisions=UNKNOWN):
        said = (HOME, declared, revisions)
        with services.database.transaction() as session:
            is_news = homeserver_modules.is_changed(session, clock(), *said)
            if is_news:
                homeserver_modules.record_declaration(session, clock(), *said)
        return is_news

    return hear


def test_what_is_not_known_here_is_ignored_and_nothing_is_a_fault():
    many = ",".join(f"new_{number}" for number in range(10_000))
    declared = homeserver_modules.read_declaration("7", f"joined,{many},left,", f"room,fly,{many}")
    assert declared == Declared(7, frozenset({"joined", "left"}), frozenset({"room"}))
    assert homeserver_modules.read_declaration(None, None, None) == Declared()
    for version in ("", "0", "-1", "x", "٢", "9" * 400, "1.5"):
        assert homeserver_modules.read_declaration(version, "", "").version == 1
        assert homeserver_modules.read_declaration("2", "", "", version).skipped == 0
    assert homeserver_modules.read_declaration("2", "", "", "12").skipped == 12


def test_it_is_written_down_now_and_then_and_at_once_when_it_changes(hear, clock, services):
    assert hear()
    clock.advance(seconds=1)
    assert not hear()
    assert hear(Declared(2, ALL.reports))
    assert hear(replace(ALL, skipped=1))
    assert hear(ALL)
    clock.advance(seconds=59)
    assert not hear()
    clock.advance(seconds=1)
    assert hear()
    with services.database.reading() as session:
        row = session.scalars(select(HomeserverModule)).one()
    assert (row.heard_at, row.version) == (clock(), 2)
    assert (row.reports, row.actions) == ("joined,left", "revoke,room")


def test_another_revision_is_written_down_at_once_and_the_same_one_each_minute(
    hear, clock, services
):
    def stored():
        with services.database.reading() as session:
            row = session.scalars(select(HomeserverModule)).one()
        return row.heard_at, row.revision, row.sent_revision

    assert hear(revisions=Revisions(88, 88))
    began = clock()
    clock.advance(seconds=1)
    assert not hear(revisions=Revisions(88, 88))
    assert stored() == (began, 88, 88)
    assert hear(revisions=Revisions(88, 89))
    assert hear(revisions=Revisions(89, 89))
    assert stored() == (clock(), 89, 89)
    clock.advance(minutes=1)
    assert hear(revisions=Revisions(89, 89))
    assert stored() == (clock(), 89, 89)


def test_a_report_is_waited_for_two_minutes_and_an_action_counts_for_a_week(hear, clock, services):
    def believed(report="joined", action="room"):
        with services.database.reading() as session:
            tells = homeserver_modules.is_reporting(session, clock(), HOME, report)
            return tells, homeserver_modules.offers_action(session, clock(), HOME, action)

    assert believed() == (False, False)
    hear()
    assert believed() == (True, True)
    assert believed("invited", "invite") == (False, False)
    clock.advance(minutes=2, seconds=1)
    assert believed() == (False, True)
    clock.advance(days=7)
    assert believed() == (False, False)
