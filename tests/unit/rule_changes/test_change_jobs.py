"""The worker's part in a change: killed, run twice, taken over, given up; and what a check warns of."""

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import event

from domain_rules.addresses import parse_domain
from domain_rules.rule import AccountClass, Rule, RuleKind
from identity import problems
from identity.core import leases
from identity.core.job_outcomes import Later
from identity.core.outbox import JobKind, Lane
from identity.homeservers import health_models, models as homeservers, module_models
from identity.routing import models as stored_rules
from identity.rule_changes import applying, approvals, change_models, changes, checking, jobs
from identity.rule_changes.change_models import ChangeEffect, ChangeState, Obstacle
from identity.threepids import associations
from tests.worlds.changes import *
from tests.worlds.changes import ASSO, EMIL, INES, NIGHT
from tests.worlds.services import EDUCATION, GUESTS, agent


@pytest.fixture
def checking_one(desk, people):
    """A change whose check waits for the worker."""
    number = desk.make(agent(ASSO))
    desk.do(changes.order_check, number)
    return number


@pytest.fixture
def approved(desk, proposed, ines):
    desk.approve(proposed, INES, ines)
    return proposed


def lease(desk, lane):
    with desk.services.database.transaction() as session:
        return leases.lease_next(session, desk.clock(), lane)


def test_a_check_whose_worker_died_is_done_by_another(desk, checking_one, clock):
    lost = lease(desk, Lane.BULK)
    clock.advance(seconds=61)
    desk.work()
    found = desk.read(checking_one)
    assert (found.state, found.counts["change_homeserver"]) == (ChangeState.CHECKED, 3)
    assert jobs.check_change(desk.services, lost) is not None
    assert desk.read(checking_one).counts == found.counts


def test_a_worker_that_was_too_slow_stops_counting(desk, checking_one, clock):
    slow = lease(desk, Lane.BULK)
    clock.advance(seconds=61)
    assert lease(desk, Lane.BULK).id == slow.id
    with pytest.raises(Later, match="another worker"):
        jobs._record_progress(desk.services, slow, 1, 3)
    assert desk.read(checking_one).done == 0


def test_a_change_that_is_applied_twice_is_published_once(desk, approved):
    before, job = desk.revision(), lease(desk, Lane.NORMAL)
    for _ in range(2):  # the worker died before it settled the job
        jobs.apply_change(desk.services, job)
    found = desk.read(approved)
    assert (found.state, found.revision, desk.revision()) == (
        ChangeState.APPLIED,
        before + 1,
        before + 1,
    )


def test_what_was_counted_before_an_address_was_bound_is_not_published(desk, approved, clock):
    before = desk.revision()
    with desk.services.database.reading() as session:
        checked = checking.count(session, clock(), changes.required(session, approved))
    clock.advance(seconds=1)
    with desk.services.database.transaction() as session:
        associations.bind(session, clock(), address=f"gil1@{ASSO}", user_id=f"@n:{GUESTS}")
    with desk.services.database.transaction() as session:
        change = changes.required(session, approved)
        assert applying.apply(session, clock(), change, checked).is_moved
    assert (desk.read(approved).state, desk.revision()) == (ChangeState.APPLYING, before)
    desk.work()
    assert desk.read(approved).state == ChangeState.APPLIED


def test_a_check_that_was_given_up_can_be_ordered_again(desk, checking_one, clock):
    with pytest.raises(problems.NotNow):
        desk.do(changes.order_check, checking_one)
    job = lease(desk, Lane.BULK)
    with desk.services.database.transaction() as session:
        leases.give_up(session, job, clock(), "it kills its workers")
    desk.do(changes.order_check, checking_one)
    desk.work()
    assert desk.read(checking_one).state == ChangeState.CHECKED


def test_an_application_that_was_given_up_can_be_returned(desk, approved, clock):
    with pytest.raises(problems.NotNow):
        desk.do(changes.give_back, approved)
    job = lease(desk, Lane.NORMAL)
    with desk.services.database.transaction() as session:
        leases.give_up(session, job, clock(), "it kills its workers")
    desk.do(changes.give_back, approved)
    assert desk.read(approved).state == ChangeState.RETURNED


def test_an_application_that_was_moved_to_now_and_given_up_can_be_returned(
    desk, proposed, ines, clock
):
    with desk.services.database.transaction() as session:
        change, now = changes.required(session, proposed), clock()
        next_month = now + timedelta(days=30)
        facts = {"approver": ines, "typed": "3", "due_at": next_month}
        approvals.approve(session, desk.services.settings, now, INES, change, **facts)
    desk.do(approvals.apply_approved, proposed, INES)
    job = lease(desk, Lane.NORMAL)
    with desk.services.database.transaction() as session:
        leases.give_up(session, job, clock(), "it kills its workers")
    desk.do(changes.give_back, proposed)
    assert desk.read(proposed).state == ChangeState.RETURNED


@pytest.mark.parametrize(
    ("what", "domain", "wanted"),
    [
        ("check", "b.example", ChangeState.CHECKED),
        ("apply", "b.example", ChangeState.APPLIED),
        ("check", ASSO, ChangeState.STALE),
        ("apply", ASSO, ChangeState.STALE),
    ],
)
def test_rules_that_are_published_while_they_are_read_do_not_make_it_fail(
    desk, proposed, ines, clock, what, domain, wanted
):
    """Where they are its own it is stale, though it was begun before."""
    if what == "check":
        desk.do(changes.order_check, proposed)
    else:
        desk.approve(proposed, INES, ines)
    told = []

    def publish(_conn, _cursor, statement, *_):
        """Another change is published just after this one has read which revision is in force."""
        if told or "max(rule_revisions" not in statement:
            return
        told.append(statement)
        revision = stored_rules.RuleRevision(
            number=2, based_on=1, published_at=clock(), author="", reason="", summary=""
        )
        with desk.services.database.transaction() as session:
            stored_rules.write(session, revision, removed=[], added=[agent(domain)])

    event.listen(desk.services.database.engine, "after_cursor_execute", publish)
    try:
        desk.work()
    finally:
        event.remove(desk.services.database.engine, "after_cursor_execute", publish)
    clock.advance(seconds=5)
    desk.work()
    found = desk.read(proposed)
    why = f"domain:{domain}" if wanted == ChangeState.STALE else ""
    assert (len(told), found.state, found.why) == (1, wanted, why)


def test_a_check_of_a_homeserver_that_is_not_registered_fails_and_says_so(desk, people):
    number = desk.make(replace(agent(ASSO), homeserver="educaton.example"))
    desk.do(changes.order_check, number)
    desk.work()
    found = desk.read(number)
    assert (found.state, found.why_code) == (ChangeState.FAILED, Obstacle.HOMESERVER)
    assert "Close names: education.example" in found.why


def test_an_edit_during_the_check_is_refused_and_an_abandoned_check_stores_nothing(
    desk, checking_one
):
    with pytest.raises(problems.NotNow):
        desk.do(changes.put_line, checking_one, rule=agent("b.example"), version=1)
    desk.do(changes.abandon, checking_one)
    desk.work()
    found = desk.read(checking_one)
    assert (found.state, found.counts) == (ChangeState.ABANDONED, {})


def test_effects_are_stored_by_domain_and_never_by_address(desk, proposed):
    with desk.services.database.reading() as session:
        effects = session.query(ChangeEffect).all()
        assert {(each.effect, each.domain, each.count) for each in effects} == {
            (effect, ASSO, 3) for effect in ("become_agents", "change_homeserver", "gain_access")
        }


def test_a_homeserver_that_takes_nobody_is_warned_of_and_not_proposed(desk, people, clock):
    number = desk.make(agent(ASSO))
    with desk.services.database.transaction() as session:
        facts = {"version": 1, "reports": "", "actions": "", "skipped": 0}
        module_models.upsert(session, EDUCATION, {"heard_at": clock(), **facts})
    clock.advance(minutes=6)
    desk.do(changes.order_check, number)
    desk.work()
    (warning,) = desk.read(number).counts["warnings"]
    assert warning == {"kind": "homeserver", "homeserver": EDUCATION, "state": "silent"}
    with pytest.raises(problems.TargetNotReady, match="silent"):
        desk.do(changes.propose, number)
    with desk.services.database.transaction() as session:
        session.query(module_models.HomeserverModule).one().heard_at = clock()
        homeservers.find(session, EDUCATION).suspended_at = clock()
    with pytest.raises(problems.TargetNotReady, match="suspended"):
        desk.do(changes.propose, number)
    with desk.services.database.transaction() as session:
        homeservers.find(session, EDUCATION).suspended_at = None
    desk.do(changes.propose, number)
    assert desk.read(number).state == ChangeState.PROPOSED


@pytest.mark.parametrize(
    ("minutes", "milliseconds", "said"),
    [
        (4, 1_800, {"state": "slow", "milliseconds": 1_800}),
        (4, None, {"state": "no_answer"}),
        (4, 1_000, None),
        (16, None, None),  # too long ago to say anything of now
    ],
)
def test_a_homeserver_that_answers_slowly_or_not_at_all_is_warned_of(
    desk, people, clock, minutes, milliseconds, said
):
    number = desk.make(agent(ASSO))
    looked = clock() - timedelta(minutes=minutes)
    with desk.services.database.transaction() as session:
        health_models.record(session, looked - timedelta(minutes=5), EDUCATION, 5_000)
        health_models.record(session, looked, EDUCATION, milliseconds)
        health_models.record(session, looked, GUESTS, None)  # nobody comes there
    desk.do(changes.order_check, number)
    desk.work()
    where = {"kind": "homeserver", "homeserver": EDUCATION}
    at = {"at": looked.isoformat(timespec="seconds")}
    assert desk.read(number).counts["warnings"] == ([where | at | said] if said else [])
    desk.do(changes.propose, number)
    assert desk.read(number).state == ChangeState.PROPOSED


def test_narrower_rules_that_take_a_part_of_a_suffix_are_named(desk):
    suffix = Rule(RuleKind.SUFFIX, "example", AccountClass.GUEST, GUESTS, requires_invite=True)
    number = desk.make(suffix)
    desk.do(changes.order_check, number)
    desk.work()
    (warning,) = desk.read(number).counts["warnings"]
    assert warning == {
        "kind": "shadowed",
        "rule": "suffix:example",
        "by": 1,
        "for_example": "domain:ac-rouen.example",
    }


def test_two_who_make_a_change_at_once_get_a_number_each(desk):
    numbers, together = [], threading.Barrier(4)

    def make() -> None:
        together.wait()
        numbers.append(desk.make(agent("b.example")))

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == [1, 2, 3, 4]


def test_abandoned_changes_are_forgotten_and_applied_ones_are_kept(desk, approved, clock):
    desk.work()
    gone = desk.make(agent("b.example"), agent("c.example"))
    desk.do(changes.abandon, gone)
    later = clock() + timedelta(days=1)
    with desk.services.database.transaction() as session:
        assert change_models.forget_abandoned(session, clock(), limit=10) == 0
        assert change_models.forget_abandoned(session, later, limit=10) == 1
        assert change_models.forget_effects(session, later, limit=10) == 3
    with desk.services.database.reading() as session:
        (kept,) = changes.find_changes(session).items
        assert (kept.number, len(change_models.find_lines(session, kept.id))) == (approved, 1)


def test_a_free_mail_service_is_opened_only_by_somebody_who_says_so(desk, services, clock):
    with pytest.raises(problems.NotForAgents, match=r"gmail\.com"):
        desk.make(agent("gmail.com"))
    with services.database.transaction() as session:
        facts = {"title": "open", "put": [agent("gmail.com"), agent("b.example")]}
        made = changes.make(session, clock(), EMIL, allows_public=True, **facts)
        lines = change_models.find_lines(session, made.id)
        assert [(line.pattern, line.allows_public) for line in lines] == [
            ("gmail.com", True),
            ("b.example", False),
        ]


def test_a_job_of_a_change_that_is_gone_does_nothing(desk, checking_one):
    job = lease(desk, Lane.BULK)
    desk.do(changes.abandon, checking_one)
    with desk.services.database.transaction() as session:
        change_models.forget_abandoned(session, desk.clock() + timedelta(days=1), limit=1)
    assert job.kind == JobKind.CHANGE_CHECK
    with desk.services.database.transaction() as session:
        jobs.check_change(desk.services, job)(session)
        assert changes.find_changes(session).items == []


def test_a_domain_that_looks_like_an_open_one_is_warned_of_and_typed(desk, ines):
    alike = parse_domain("ac-roüen.example")
    number = desk.make(agent(alike), agent("elsewhere.example"))
    desk.do(changes.order_check, number)
    desk.work()
    found = desk.read(number)
    (warning,) = found.counts["warnings"]
    assert warning == {"kind": "look_alike", "domain": alike, "like": "ac-rouen.example"}
    assert approvals.words_to_type(found) == alike
    desk.do(changes.propose, number)
    with pytest.raises(problems.WrongParameter, match="looks like another domain"):
        desk.do(approvals.break_glass, number, NIGHT, approver=ines, typed="0")
    desk.do(approvals.break_glass, number, NIGHT, approver=ines, typed=alike)
    assert desk.read(number).state == ChangeState.APPLYING
