"""Who may let a change come into force, when it does, and who is told of it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from domain_rules.rule import RuleKind
from identity import problems
from identity.core import journal
from identity.core.journal import Actor
from identity.mail.models import Mail
from identity.operators.roles import Role, Scope
from identity.rule_changes import approvals, changes, rolling_back, scopes, telling
from identity.rule_changes.change_models import Change, ChangeState
from identity.threepids import associations
from tests.worlds.changes import *
from tests.worlds.changes import ASSO, EMIL, INES, NIGHT
from tests.worlds.services import EDUCATION, GUESTS, agent

OF_EDUCATION = Scope(homeservers=frozenset({EDUCATION}))
OF_GUESTS = Scope(homeservers=frozenset({GUESTS}))
IVO = Actor("Ivo", "a test", "read")


@pytest.fixture
def ivo(make_operator):
    return make_operator("Ivo", Role.APPROVER)


@pytest.fixture
def later(clock):
    """All operators have been there for a while, so that none is close to another."""
    clock.advance(days=31)


def mails(desk):
    with desk.services.database.reading() as session:
        return sorted(
            (mail.template, mail.address) for mail in session.query(Mail).all() if mail.subject_id
        )


def actions(desk, number):
    with desk.services.database.reading() as session:
        return [row.action for row in journal.find_by_subject(session, [f"C-{number}"])]


def test_whoever_edited_a_change_does_not_approve_it(desk, emil, ines, ivo, later, clock):
    number = desk.make(agent(ASSO), operator=emil)
    desk.do(changes.put_line, number, INES, rule=agent("b.example"), version=1)
    desk.do(changes.order_check, number)
    desk.work()
    desk.do(changes.propose, number)
    with pytest.raises(problems.OwnApproval):
        desk.approve(number, INES, ines)
    desk.approve(number, IVO, ivo)
    desk.work()
    assert desk.read(number).state == ChangeState.APPLIED
    assert actions(desk, number) == [
        *("change.make", "change.edit", "change.check", "change.propose", "change.approve"),
        "change.applied",
    ]


def test_the_number_of_people_it_hurts_is_typed(desk, proposed, ines, ivo, later):
    with desk.services.database.transaction() as session:
        change = changes.required(session, proposed)
        assert approvals.words_to_type(change) == "3"
        settings, now = desk.services.settings, desk.clock()
        for typed in ("", "2", "three"):
            with pytest.raises(problems.WrongParameter, match="Type 3"):
                approvals.approve(session, settings, now, INES, change, approver=ines, typed=typed)
        approvals.approve(session, settings, now, INES, change, approver=ines, typed=" 3 ")
    assert desk.read(proposed).state == ChangeState.APPLYING


def test_it_is_applied_at_its_moment_which_may_be_moved(desk, proposed, ines, ivo, later, clock):
    tomorrow = clock() + timedelta(days=1)
    with desk.services.database.transaction() as session:
        change = changes.required(session, proposed)
        settings = desk.services.settings
        facts = {"approver": ines, "typed": "3"}
        with pytest.raises(problems.WrongParameter):
            approvals.approve(session, settings, clock(), INES, change, **facts, due_at=clock())
        session.rollback()
    with desk.services.database.transaction() as session:
        change = changes.required(session, proposed)
        approvals.approve(session, settings, clock(), INES, change, **facts, due_at=tomorrow)
    desk.do(approvals.apply_approved, proposed, INES, due_at=tomorrow + timedelta(days=1))
    before = desk.revision()
    clock.advance(days=1, minutes=1)
    desk.work()
    assert (desk.read(proposed).state, desk.revision()) == (ChangeState.SCHEDULED, before)
    clock.advance(days=1)
    desk.work()
    assert (desk.read(proposed).state, desk.revision()) == (ChangeState.APPLIED, before + 1)


def test_what_is_returned_before_its_moment_is_not_applied(desk, proposed, ines, ivo, later, clock):
    with desk.services.database.transaction() as session:
        change, due_at = changes.required(session, proposed), clock() + timedelta(hours=1)
        settings = desk.services.settings
        approvals.approve(
            session, settings, clock(), INES, change, approver=ines, typed="3", due_at=due_at
        )
    desk.do(changes.give_back, proposed, Actor("Ines", "a test", "wrong organisation"))
    before = desk.revision()
    clock.advance(hours=2)
    desk.work()
    found = desk.read(proposed)
    assert (found.state, found.why) == (ChangeState.RETURNED, "wrong organisation")
    assert desk.revision() == before


def test_what_was_approved_may_wait_until_somebody_applies_it(desk, proposed, ines, ivo, later):
    with desk.services.database.transaction() as session:
        change, now = changes.required(session, proposed), desk.clock()
        settings = desk.services.settings
        facts = {"approver": ines, "typed": "3", "waits": True}
        approvals.approve(session, settings, now, INES, change, **facts)
    desk.work()
    assert desk.read(proposed).state == ChangeState.APPROVED
    desk.do(approvals.apply_approved, proposed, EMIL)
    desk.work()
    found = desk.read(proposed)
    assert (found.state, found.applied_by) == (ChangeState.APPLIED, "Ines")


def test_the_approver_is_mailed_if_it_would_hurt_more_people_than_approved(
    desk, proposed, ines, ivo, later, clock
):
    desk.approve(proposed, INES, ines)
    with desk.services.database.transaction() as session:
        associations.bind(session, clock(), address=f"gina@{ASSO}", user_id=f"@gina:{GUESTS}")
    desk.work()
    assert desk.read(proposed).state == ChangeState.PROPOSED
    assert mails(desk) == [("change_notice", "ines@ops.example")]
    desk.work()
    (mail,) = desk.services.mailer.sent
    assert mail["Subject"] == "C-1 was not applied: please look again"
    said = mail.get_body(("plain",)).get_content()
    assert "4 people would be affected, 3 were approved" in said
    assert ASSO not in said


def test_breaking_the_glass_tells_every_other_approver_until_one_has_read_it(
    desk, proposed, emil, ines, ivo, later, clock
):
    desk.do(approvals.break_glass, proposed, NIGHT, approver=ines, typed="3")
    desk.work()
    found = desk.read(proposed)
    assert (found.state, found.review_until - found.broken_glass_at) == (
        ChangeState.APPLIED,
        timedelta(hours=48),
    )
    assert mails(desk) == [("change_notice", "ivo@ops.example")]
    clock.advance(hours=47)
    desk.work()
    assert len(mails(desk)) == 1
    for day in (2, 3):  # after two days, and each day from then on
        clock.advance(hours=24)
        desk.work()
        assert len(mails(desk)) == day
    with pytest.raises(problems.OwnApproval):
        desk.do(approvals.review, proposed, INES, reviewer=ines)
    desk.do(approvals.review, proposed, IVO, reviewer=ivo)
    assert desk.read(proposed).reviewed_by == "Ivo"
    with pytest.raises(problems.NotNow):
        desk.do(approvals.review, proposed, IVO, reviewer=ivo)
    for _ in range(3):
        clock.advance(hours=24)
        desk.work()
    assert len(mails(desk)) == 3


def test_the_glass_is_not_broken_for_a_short_reason(desk, proposed, ines, ivo, later):
    why = Actor("Ines", "a test", "it burns           ")
    with pytest.raises(problems.WrongParameter, match="20 characters"):
        desk.do(approvals.break_glass, proposed, why, approver=ines, typed="3")
    assert desk.read(proposed).state == ChangeState.PROPOSED
    assert mails(desk) == []


def test_whoever_rolls_back_what_was_applied_without_approval_has_read_it(
    desk, proposed, ines, ivo, later, clock
):
    desk.do(approvals.break_glass, proposed, NIGHT, approver=ines, typed="3")
    desk.work()
    with desk.services.database.transaction() as session:
        found = changes.required(session, proposed)
        assert [each.id for each in changes.find_unreviewed(session)] == [found.id]
        back = rolling_back.make_reversal(session, clock(), IVO, found, operator_id=ivo.id).number
    desk.do(changes.order_check, back, IVO)
    desk.work()
    desk.do(changes.propose, back, IVO)
    desk.approve(back, INES, ines)
    desk.work()
    found = desk.read(proposed)
    assert (found.state, telling.waits_for_review(found)) == (ChangeState.ROLLED_BACK, False)


def test_whoever_applied_it_alone_reverses_it_for_a_quarter_of_an_hour(
    desk, proposed, ines, ivo, later, clock
):
    desk.approve(proposed, INES, ines)
    desk.work()
    backs = []
    for _ in range(2):
        with desk.services.database.transaction() as session:
            found = changes.required(session, proposed)
            made = rolling_back.make_reversal(session, clock(), INES, found, operator_id=ines.id)
            backs.append(made.number)
        desk.do(changes.order_check, backs[-1], INES)
    desk.work()
    clock.advance(minutes=14)
    desk.approve(backs[0], INES, ines)
    clock.advance(minutes=2)
    with pytest.raises(problems.OwnApproval):
        desk.approve(backs[1], INES, ines)


def test_outside_of_a_scope_a_change_is_not_found_and_is_not_made(desk, emil, services, clock):
    inside = desk.make(agent("in.example"))
    outside = desk.make(replace(agent("out.example", "Other"), homeserver=GUESTS))
    with services.database.reading() as session:
        assert changes.required(session, inside, OF_EDUCATION).number == inside
        with pytest.raises(problems.NoSuchChange):
            changes.required(session, outside, OF_EDUCATION)
        assert changes.required(session, outside, OF_GUESTS).number == outside
        listed = changes.find_changes(session, scope=OF_EDUCATION).items
        assert [each.number for each in listed] == [inside]
        query = session.query(Change).where(scopes.is_within(OF_GUESTS))
        assert [each.number for each in query] == [outside]
    away = replace(agent("in.example"), homeserver=GUESTS)
    with services.database.transaction() as session:
        change = changes.required(session, inside)
        facts = {"version": change.version, "scope": OF_EDUCATION}
        with pytest.raises(problems.NotPermitted) as refused:
            changes.put_line(session, clock(), EMIL, change, away, **facts)
        assert "in.example" not in str(refused.value)
        session.rollback()
    assert desk.read(inside).version == 1


def test_a_sibling_lies_where_the_domain_lies_that_it_names(desk, services):
    sibling = replace(agent("ac-normandie.example"), homeserver=None, sibling_of="ac-rouen.example")
    number = desk.make(sibling)
    with services.database.reading() as session:
        assert changes.required(session, number, OF_EDUCATION).number == number
        with pytest.raises(problems.NoSuchChange):
            changes.required(session, number, OF_GUESTS)


def test_the_default_takes_an_approver_of_the_whole_federation(
    desk, make_operator, emil, ivo, later, services, clock
):
    with services.database.transaction() as session:
        key = (RuleKind.DEFAULT, "")
        made = changes.make(session, clock(), EMIL, title="no default", take_away=[key])
        number = made.number
    desk.do(changes.order_check, number)
    desk.work()
    desk.do(changes.propose, number)
    local = make_operator("Lou", Role.APPROVER, scope=OF_GUESTS)
    clock.advance(days=31)
    lou = Actor("Lou", "a test")
    with pytest.raises(problems.NotPermitted):
        desk.approve(number, lou, local)
    desk.approve(number, IVO, ivo)
    assert desk.read(number).state == ChangeState.APPLYING


def test_a_large_share_of_all_people_takes_an_approver_of_the_whole_federation(
    desk, people, make_operator, services, clock
):
    number = desk.make(agent(ASSO))
    desk.do(changes.order_check, number)
    desk.work()
    desk.do(changes.propose, number)
    local = make_operator("Lou", Role.APPROVER, scope=OF_EDUCATION)
    clock.advance(days=31)
    with pytest.raises(problems.NotPermitted):
        desk.approve(number, Actor("Lou", "a test"), local)
    with services.database.transaction() as session:
        for other in range(100):
            address, user_id = f"p{other}@elsewhere.example", f"@p{other}:{EDUCATION}"
            associations.bind(session, clock(), address=address, user_id=user_id)
    desk.do(changes.order_check, number)
    desk.work()
    desk.do(changes.propose, number)
    desk.approve(number, Actor("Lou", "a test"), local)
    assert desk.read(number).state == ChangeState.APPLYING


def test_nobody_approves_for_whom_they_invited_lately(
    desk, people, make_operator, ines, ivo, clock
):
    emma = make_operator("Emma", Role.EDITOR, by=INES)
    number = desk.make(agent(ASSO), by=Actor("Emma", "a test"), operator=emma)
    desk.do(changes.order_check, number)
    desk.work()
    desk.do(changes.propose, number)
    clock.advance(days=29)
    with pytest.raises(problems.TooCloseToApprove):
        desk.approve(number, INES, ines)
    clock.advance(days=1)
    desk.approve(number, INES, ines)
    assert desk.read(number).state == ChangeState.APPLYING
