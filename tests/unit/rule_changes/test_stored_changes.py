"""A stored change is checked, approved by another person, and applied as it was approved."""

import pytest

from domain_rules.rule import RuleKind
from identity import problems
from identity.core.journal import Actor
from identity.operators.roles import Role
from identity.routing import models as stored_rules
from identity.rule_changes import approvals, change_models, changes, rolling_back
from identity.rule_changes.change_models import ChangeState
from identity.threepids import associations
from tests.worlds.changes import *
from tests.worlds.changes import ASSO, EMIL, INES
from tests.worlds.services import GUESTS, agent


def test_it_counts_whom_it_affects_and_is_applied_once_another_person_approved(
    desk, proposed, ines, make_operator, clock
):
    make_operator("Ivo", Role.APPROVER)
    found = desk.read(proposed)
    assert (found.counts["become_agents"], found.counts["change_homeserver"]) == (3, 3)
    before = desk.revision()
    desk.clock.advance(days=31)
    desk.approve(proposed, INES, ines)
    assert desk.revision() == before
    desk.work()
    assert desk.read(proposed).state == ChangeState.APPLIED
    assert desk.revision() == before + 1 == desk.read(proposed).revision


def test_nobody_approves_their_own(desk, proposed, emil, ines, make_operator):
    make_operator("Ivo", Role.APPROVER)
    with pytest.raises(problems.OwnApproval):
        desk.approve(proposed, EMIL, emil)
    assert desk.read(proposed).state == ChangeState.PROPOSED


def test_it_is_not_applied_if_more_people_would_be_affected_than_were_approved(
    desk, proposed, ines, make_operator, clock
):
    make_operator("Ivo", Role.APPROVER)
    clock.advance(days=31)
    desk.approve(proposed, INES, ines)
    before = desk.revision()
    with desk.services.database.transaction() as session:
        one_more = f"gina@{ASSO}"
        associations.bind(session, clock(), address=one_more, user_id=f"@gina:{GUESTS}")
    desk.work()
    found = desk.read(proposed)
    assert found.state == ChangeState.PROPOSED
    assert (found.promised["change_homeserver"], found.counts["change_homeserver"]) == (3, 4)
    assert desk.revision() == before


def test_it_is_stale_once_somebody_changed_the_same_rule(
    desk, proposed, ines, clock, make_operator
):
    make_operator("Ivo", Role.APPROVER)
    clock.advance(days=31)
    other = desk.make(agent(ASSO, "Another"), by=INES)
    desk.do(changes.order_check, other)
    desk.work()
    desk.do(
        approvals.break_glass,
        other,
        Actor("Ines", "a test", "because of a long night"),
        approver=ines,
        typed="3",
    )
    desk.work()
    assert desk.read(other).state == ChangeState.APPLIED
    desk.approve(proposed, INES, ines)
    desk.work()
    found = desk.read(proposed)
    assert (found.state, found.why) == (ChangeState.STALE, f"domain:{ASSO}")
    desk.do(changes.order_check, proposed)  # whoever was told goes on from the rules in force
    desk.work()
    assert (desk.read(proposed).state, desk.read(proposed).counts["changed"]) == (
        ChangeState.CHECKED,
        1,
    )


def test_an_edit_of_one_line_does_not_hide_that_another_was_changed_meanwhile(
    desk, proposed, ines, clock
):
    later = desk.make(agent(ASSO, "Another"), by=INES)
    desk.do(changes.order_check, later)
    desk.work()
    desk.approve(later, INES, ines)
    desk.work()
    desk.do(changes.give_back, proposed)
    desk.do(changes.put_line, proposed, rule=agent("b.example"), version=1)
    desk.do(changes.order_check, proposed)
    desk.work()
    assert (desk.read(proposed).state, desk.read(proposed).why) == (
        ChangeState.STALE,
        f"domain:{ASSO}",
    )


def test_one_approver_alone_may_where_there_is_no_other(desk, proposed, ines):
    desk.approve(proposed, INES, ines)
    desk.work()
    assert desk.read(proposed).state == ChangeState.APPLIED


def test_an_edit_of_an_older_version_is_refused(desk, emil, clock):
    number = desk.make(agent(ASSO), operator=emil)
    with desk.services.database.transaction() as session:
        change = changes.required(session, number)
        changes.put_line(session, clock(), EMIL, change, agent("other.example"), version=1)
        assert (change.lines, change.version) == (2, 2)
    with desk.services.database.reading() as session:
        change = changes.required(session, number)
        with pytest.raises(problems.StaleDraft) as refused:
            changes.put_line(session, clock(), EMIL, change, agent("third.example"), version=1)
    assert refused.value.version == 2
    with desk.services.database.reading() as session:
        found = change_models.find_lines(session, desk.read(number).id)
    assert [line.pattern for line in found] == [ASSO, "other.example"]


def test_it_is_rolled_back_and_what_others_changed_since_stays(desk, proposed, ines, clock):
    desk.approve(proposed, INES, ines)
    desk.work()
    later = desk.make(agent(ASSO, "Another"), agent("new.example"), by=INES)
    desk.do(changes.order_check, later)
    desk.work()
    desk.approve(later, INES, ines)
    desk.work()
    with desk.services.database.reading() as session:
        found = rolling_back.find_reversal(session, changes.required(session, proposed))
        assert found.touched == ((RuleKind.DOMAIN, ASSO),)
    with desk.services.database.transaction() as session:
        one = changes.required(session, later)
        back = rolling_back.make_reversal(session, clock(), INES, one, operator_id=ines.id).number
    desk.do(changes.order_check, back)
    desk.work()
    desk.approve(back, INES, ines)
    desk.work()
    assert desk.read(later).state == ChangeState.ROLLED_BACK
    with desk.services.database.reading() as session:
        in_force = {rule.pattern: rule for rule in stored_rules.load(session, desk.revision())}
    assert "new.example" not in in_force
    assert in_force[ASSO].organisation != "Another"
