"""What one person may do with a change without another, and who reads it afterwards."""

import threading
from datetime import timedelta

import pytest

from domain_rules.rule import RuleKind
from identity import problems
from identity.core import journal
from identity.core.journal import Actor
from identity.homeservers import models as homeservers
from identity.operators import models as operators
from identity.operators.roles import Role
from identity.rule_changes import applying, approvals, changes, rolling_back
from identity.rule_changes.change_models import ChangeState, Obstacle
from identity.threepids import associations
from tests.worlds.changes import *
from tests.worlds.changes import ASSO, INES, NIGHT
from tests.worlds.services import EDUCATION, GUESTS, agent

IVO = Actor("Ivo", "a test", "read")


@pytest.fixture
def ivo(make_operator):
    return make_operator("Ivo", Role.APPROVER)


@pytest.fixture
def later(clock):
    """All operators have been there for a while, so that none is close to another."""
    clock.advance(days=31)


def actions(desk, number):
    with desk.services.database.reading() as session:
        return [row.action for row in journal.find_by_subject(session, [f"C-{number}"])]


def applied_by_ines(desk, *put, after):
    """The number of a change that Emil made and Ines applied."""
    number = desk.make(*put)
    desk.do(changes.order_check, number)
    desk.work()
    desk.do(changes.propose, number)
    desk.approve(number, INES, after)
    desk.work()
    return number


def reverse(desk, number, who, operator, also=()):
    with desk.services.database.transaction() as session:
        one = changes.required(session, number)
        back = rolling_back.make_reversal(
            session, desk.clock(), who, one, operator_id=operator.id, also=also
        )
        return back.number


def test_a_reversal_that_was_edited_is_not_applied_alone(desk, ines, ivo, later):
    number = applied_by_ines(desk, agent(ASSO), after=ines)
    back = reverse(desk, number, INES, ines)
    desk.do(changes.put_line, back, INES, rule=agent("elsewhere.example"), version=1)
    desk.do(changes.order_check, back, INES)
    desk.work()
    before = desk.revision()
    with pytest.raises(problems.OwnApproval):
        desk.approve(back, INES, ines)
    assert (desk.read(back).state, desk.revision()) == (ChangeState.CHECKED, before)


def test_what_others_applied_since_is_not_reversed_alone(desk, ines, ivo, later):
    number = applied_by_ines(desk, agent(ASSO), agent("b.example"), after=ines)
    other = desk.make(agent(ASSO, "Another"))
    desk.do(changes.order_check, other)
    desk.work()
    desk.do(changes.propose, other)
    desk.approve(other, IVO, ivo)
    desk.work()
    back = reverse(desk, number, INES, ines, also=[(RuleKind.DOMAIN, ASSO)])
    only_own = reverse(desk, number, INES, ines)
    for each in (back, only_own):
        desk.do(changes.order_check, each, INES)
    desk.work()
    with pytest.raises(problems.OwnApproval):
        desk.approve(back, INES, ines)
    tomorrow = desk.clock() + timedelta(days=1)
    with pytest.raises(problems.OwnApproval):
        desk.approve(only_own, INES, ines, due_at=tomorrow)
    desk.approve(only_own, INES, ines)
    desk.work()
    assert desk.read(only_own).state == ChangeState.APPLIED


def test_whoever_rolls_back_their_own_broken_glass_is_still_read_by_another(
    desk, proposed, ines, ivo, later
):
    desk.do(approvals.break_glass, proposed, NIGHT, approver=ines, typed="3")
    desk.work()
    back = reverse(desk, proposed, INES, ines)
    desk.do(changes.order_check, back, INES)
    desk.work()
    desk.approve(back, INES, ines)
    desk.work()
    found = desk.read(proposed)
    assert (found.state, found.reviewed_by) == (ChangeState.ROLLED_BACK, None)
    with desk.services.database.reading() as session:
        assert [each.id for each in changes.find_unreviewed(session)] == [found.id]
    desk.do(approvals.review, proposed, IVO, reviewer=ivo)
    assert desk.read(proposed).reviewed_by == "Ivo"
    with pytest.raises(problems.NotNow):
        desk.do(approvals.review, proposed, IVO, reviewer=ivo)


def test_whoever_is_close_to_the_one_who_broke_the_glass_does_not_review_it(
    desk, proposed, ines, ivo, later, clock
):
    desk.do(approvals.break_glass, proposed, NIGHT, approver=ines, typed="3")
    desk.work()
    with desk.services.database.transaction() as session:
        journal.write(
            session, clock(), INES, action="operator.reset_factor", subject="Ivo", facts={}
        )
    with pytest.raises(problems.TooCloseToApprove):
        desk.do(approvals.review, proposed, IVO, reviewer=ivo)
    assert desk.read(proposed).reviewed_at is None


def test_what_was_to_be_applied_without_approval_and_was_not_is_approved_like_any_other(
    desk, proposed, ines, ivo, later, clock
):
    desk.do(approvals.break_glass, proposed, NIGHT, approver=ines, typed="3")
    with desk.services.database.transaction() as session:
        address, user_id = f"late@{ASSO}", f"@late:{GUESTS}"
        associations.bind(session, clock(), address=address, user_id=user_id)
    desk.work()
    assert desk.read(proposed).state == ChangeState.PROPOSED
    desk.do(approvals.break_glass, proposed, NIGHT, approver=ines, typed="4")
    stopped = (Obstacle.HOMESERVER, "no homeserver")
    with desk.services.database.transaction() as session:
        applying.fail(session, clock(), changes.required(session, proposed), *stopped)
    assert (desk.read(proposed).broken_glass_at, desk.read(proposed).review_until) == (None, None)


def test_what_became_suspended_since_it_was_proposed_is_not_approved(
    desk, proposed, ines, ivo, later, clock
):
    with desk.services.database.transaction() as session:
        homeservers.find(session, EDUCATION).suspended_at = clock()
    with pytest.raises(problems.TargetNotReady):
        desk.approve(proposed, INES, ines)
    assert desk.read(proposed).state == ChangeState.PROPOSED


def test_of_two_who_review_at_once_one_is_told_that_the_other_was_faster(
    desk, proposed, ines, ivo, later, make_operator
):
    make_operator("Iris", Role.APPROVER)
    desk.clock.advance(days=31)
    desk.do(approvals.break_glass, proposed, NIGHT, approver=ines, typed="3")
    desk.work()
    with desk.services.database.reading() as session:
        readers = [operators.find_by_name(session, name) for name in ("Iris", "Ivo")]
    begun, told = threading.Barrier(2), []

    def review(reader):
        begun.wait(10)
        try:
            who = Actor(reader.name, "a test", "read")
            desk.do(approvals.review, proposed, who, reviewer=reader)
        except problems.NotNow:
            told.append(reader.name)

    threads = [threading.Thread(target=review, args=(reader,)) for reader in readers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [*told, desk.read(proposed).reviewed_by] in (["Iris", "Ivo"], ["Ivo", "Iris"])
    assert actions(desk, proposed).count("change.review") == 1
