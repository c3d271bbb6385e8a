"""A command's change is made and applied in one transaction, or not at all."""

import pytest

from identity import problems
from identity.core import journal, rows
from identity.homeservers import models as homeservers
from identity.operators.roles import Role
from identity.routing import models as stored_rules
from identity.rule_changes import at_once
from identity.rule_changes.at_once import Wanted
from identity.rule_changes.change_models import Change, ChangeState
from identity.threepids import associations
from tests.worlds.changes import *
from tests.worlds.changes import ASSO, EMIL, NIGHT
from tests.worlds.services import EDUCATION, GUESTS, agent

WANTED = Wanted(title="Put domain:asso.example", put=[agent(ASSO)])


@pytest.fixture
def counted(worker_services, people, clock):
    with worker_services.database.reading() as session:
        return at_once.count(session, clock(), WANTED)


@pytest.fixture
def settle(worker_services, clock, counted):
    def settle(who=EMIL, *, wanted=WANTED, **facts):
        services = worker_services
        with services.database.transaction() as session:
            return at_once.settle(
                session,
                services.settings,
                services.public_half,
                clock(),
                who,
                wanted=wanted,
                checked=counted,
                **facts,
            )

    return settle


def test_it_is_applied_where_one_person_is_enough_with_its_counts_and_lines(desk, settle):
    before = desk.revision()
    made = settle()
    assert (made.revision, made.needs_approval) == (before + 1, False)
    found = desk.read(made.change.number)
    assert (found.state, found.counts["change_homeserver"]) == (ChangeState.APPLIED, 3)
    with desk.services.database.reading() as session:
        rows_of_it = journal.find_by_subject(session, ["C-1", f"revision {before + 1}"])
        assert [row.action for row in rows_of_it] == [
            *("change.make", "rules.publish", "change.applied"),
        ]
        assert {row.actor for row in rows_of_it} == {"Emil"}


@pytest.mark.parametrize("what", ["address", "rules"])
def test_nothing_is_written_if_what_was_counted_moved_meanwhile(desk, settle, clock, what):
    with desk.services.database.transaction() as session:
        if what == "address":
            associations.bind(session, clock(), address=f"g@{ASSO}", user_id=f"@g:{GUESTS}")
        else:
            revision = stored_rules.RuleRevision(
                number=2, based_on=1, published_at=clock(), author="", reason="", summary=""
            )
            stored_rules.write(session, revision, removed=[], added=[agent("b.example")])
    before = desk.revision()
    assert settle() is None
    with desk.services.database.reading() as session:
        assert rows.count(session, Change.number > 0) == 0
    assert desk.revision() == before


def test_where_two_are_needed_it_is_proposed_unless_the_glass_is_broken(
    desk, settle, ines, make_operator
):
    make_operator("Ivo", Role.APPROVER)
    before = desk.revision()
    made = settle()
    assert (made.needs_approval, made.revision) == (True, before)
    assert desk.read(made.change.number).state == ChangeState.PROPOSED
    broken = settle(NIGHT, breaks_glass=True)
    assert (broken.needs_approval, broken.revision) == (False, before + 1)
    assert desk.read(broken.change.number).broken_glass_reason == NIGHT.reason


def test_what_cannot_be_proposed_is_not_made(desk, settle, ines, make_operator, clock):
    make_operator("Ivo", Role.APPROVER)
    with desk.services.database.transaction() as session:
        homeservers.find(session, EDUCATION).suspended_at = clock()
    with pytest.raises(problems.TargetNotReady):
        settle()
    with desk.services.database.reading() as session:
        assert rows.count(session, Change.number > 0) == 0
