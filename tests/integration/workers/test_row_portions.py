"""Rows of lists leave in portions: nothing is lost, doubled or held back that would not be one by one."""

from collections import Counter
from dataclasses import replace

import pytest

from identity.bulk_invites.models import BulkInviteRow, Step
from identity.bulk_invites.ordering import STOPPED
from identity.core.http_client import Away
from identity.core.journal import Actor
from identity.core.outbox import LEASE, Job, JobKind, Lane
from identity.freezes import service as freezes
from identity.freezes.models import Frozen
from identity.homeservers import breakers
from identity.homeservers.admin_client import Refused
from identity.homeservers.breakers import MAX_FAILURES, Interface
from identity.homeservers.calls import AT_ONCE_IN_ALL
from identity.homeservers.models import Homeserver
from identity.invitations import blocks
from identity.invitations.history import InvitationEvent
from identity.invitations.models import ThirdPartyInvitation
from identity.keys import service as signing_keys
from identity.mail import models as mails
from identity.mail.models import Mail
from identity.threepids import associations
from tests.services.told_room_actions import ToldRoom
from tests.worlds.bulk_inviters import ROOM, ZOE, FakeRoomActions, desk, service, settings
from tests.worlds.long_lists import confirm, now_of, people, rows_of, take, work
from tests.worlds.services import *
from tests.worlds.statements import statements
from workers import job_batches, tasks

__all__ = ["desk", "service", "settings"]

OLGA = Actor("olga", "here", "an incident")
MOST = job_batches.MOST
# Of a row in a full portion: one with which it begins, and its part of what is asked for all. SQLite
# says BEGIN and inserts row by row.
MOST_STATEMENTS = {"postgresql": 3, "sqlite": 4}


class Killed(BaseException):
    """The worker ends here, as by SIGKILL."""


@pytest.fixture(autouse=True)
def full_pace(monkeypatch):
    monkeypatch.setattr(job_batches.PACES[JobKind.LIST_ROW], "size", MOST)


@pytest.fixture
def ordered(service, clock):
    """Lets a list with so many guests wait for the worker."""

    def ordered(number=MOST, domain="asso.example"):
        with service.database.transaction() as session:
            service.hashes.make(session)
            signing_keys.current_key(session, service.vault, clock())  # the first one is made alone
        made = take(service, people(number + 3, domain))
        work(service)
        assert confirm(service, made) == number
        work(service)
        return made

    return ordered


@pytest.fixture
def interrupted(service, desk):
    """The services of a worker to which something happens at its call with this number."""

    def interrupted(at, happens):
        class Interrupted(FakeRoomActions):
            number = 0

            def invite(self, **facts):
                self.number += 1
                if self.number == at:
                    happens()
                desk.invite(**facts)

        there = Interrupted()
        return replace(service, room_actions_for=lambda _homeserver: there)

    return interrupted


def run(services, lane=Lane.BULK, **facts):
    return tasks.run_lane(services, lane, **facts)


def stored(services, kind):
    with services.database.reading() as session:
        return list(session.query(kind))


def jobs(services):
    return [job for job in stored(services, Job) if job.kind == JobKind.LIST_ROW]


def steps(services, made):
    return [row.step for row in rows_of(services, made) if row.step != Step.NONE]


def placed(desk):
    return [address for _, address in desk.placed]


def raising(error):
    def raises():
        raise error

    return raises


def test_rows_take_few_statements(service, ordered, desk):
    made = ordered(2 * MOST)
    with statements(service.database.engine) as said:
        run(service)
    assert len(desk.placed) == 2 * MOST
    asked = [text for text, _ in said if text != "BEGIN"]
    assert len(asked) / (2 * MOST) <= MOST_STATEMENTS[service.database.engine.dialect.name]
    assert set(steps(service, made)) == {Step.INVITED}
    assert now_of(service, made).state == "done"
    assert {(job.attempts, job.uncertain, bool(job.done_at)) for job in jobs(service)} == {
        (1, 0, True)
    }


def test_what_is_stored_is_the_same_as_one_by_one(service, ordered, desk, monkeypatch):
    """With somebody who has an account, and one whose mailbox has had an invitation before."""

    def told(domain):
        with service.database.transaction() as session:
            bound = f"personne1@{domain}"
            associations.bind(session, service.now(), address=bound, user_id=f"@p:{domain}")
        made = ordered(6, domain)
        run(service)
        rows = {row.address: row for row in rows_of(service, made) if row.address}
        invited = {
            each.id: each
            for each in stored(service, ThirdPartyInvitation)
            if domain in each.address
        }
        mailed = {mail.id: mail for mail in stored(service, Mail) if domain in mail.address}
        events = sorted(
            (invited[each.invitation_id].address.split("@")[0], each.happened, each.by, each.detail)
            for each in stored(service, InvitationEvent)
            if each.invitation_id in invited
        )
        return (
            [(name.split("@")[0], row.step, row.why) for name, row in sorted(rows.items())],
            events,
            sorted(
                (
                    each.state,
                    each.awaits,
                    each.by_list,
                    each.for_guest,
                    mailed[each.mail_id].template,
                )
                for each in invited.values()
            ),
            len(mailed),
        )

    together = told("asso.example")
    monkeypatch.setattr(job_batches, "PACES", {JobKind.MAIL: job_batches.PACES[JobKind.MAIL]})
    alone = told("club.example")
    assert together == alone
    assert len(together[1]) == 10  # created and mailed, of five


def test_of_a_worker_that_is_killed_nothing_is_lost_and_no_row_is_placed_by_another_token(
    service, ordered, interrupted, desk, clock
):
    made = ordered()
    with pytest.raises(Killed):
        run(interrupted(4, raising(Killed())))
    assert len(desk.placed) == 3
    clock.advance(seconds=LEASE.total_seconds())
    run(service)
    assert steps(service, made) == [Step.INVITED] * MOST
    assert len({address: token for token, address in desk.placed}) == MOST
    assert len(set(desk.placed)) == MOST
    assert len(stored(service, ThirdPartyInvitation)) == MOST
    assert len([mail for mail in stored(service, Mail) if mail.template == "invite"]) == MOST


def test_a_row_that_is_refused_and_one_that_is_to_be_tried_again_stop_no_other(
    service, ordered, interrupted, desk
):
    made = ordered(4)
    run(interrupted(2, raising(Refused("M_FORBIDDEN"))))
    assert sorted(steps(service, made)) == [Step.FAILED, *[Step.INVITED] * 3]
    again = ordered(4, "club.example")
    run(interrupted(2, raising(Away("timed out"))))
    assert sorted(steps(service, again)) == [*[Step.INVITED] * 3, Step.WAITING]
    [late] = [job for job in jobs(service) if job.done_at is None and job.gave_up_at is None]
    assert (late.attempts, late.uncertain, late.last_error) == (1, 0, "timed out")


def test_a_process_that_ends_gives_back_what_it_has_not_begun(service, ordered, interrupted, desk):
    made = ordered()
    ends = []
    run(interrupted(3, lambda: ends.append(True)), is_ending=lambda: bool(ends))
    assert len(desk.placed) == 3
    assert steps(service, made).count(Step.INVITED) == 3
    left = [job for job in jobs(service) if not job.done_at]
    assert len(left) == MOST - 3
    assert {(job.attempts, job.uncertain, job.due_at == job.created_at) for job in left} == {
        (0, 0, True)
    }


@pytest.mark.parametrize(
    "how", ["invitations", "domain", "blocked", "held", "suspended", "ended", "erased"]
)
def test_what_is_stopped_while_a_portion_leaves_is_placed_no_more(
    service, ordered, interrupted, desk, clock, hashes, how
):
    made = ordered(3)

    def stop():
        with service.database.transaction() as session:
            now = clock()
            server = session.get_one(Homeserver, "education.example")
            last = session.query(Job).filter(Job.kind == JobKind.LIST_ROW, Job.attempts == 0)
            match how:
                case "invitations":
                    freezes.freeze(session, now, OLGA, Frozen.INVITATIONS)
                case "domain":
                    freezes.freeze(session, now, OLGA, Frozen.DOMAIN, domain="example")
                case "blocked":
                    blocks.block(session, now, OLGA, ZOE, hashes=hashes)
                case "held":
                    server.held_at = now
                case "suspended":
                    server.suspended_at = now
                case "ended":
                    last.update({"gave_up_at": now, "last_error": STOPPED})
                case "erased":
                    rows = [job.subject_id for job in last]
                    last.delete()
                    session.query(BulkInviteRow).filter(BulkInviteRow.id.in_(rows)).delete()

    run(interrupted(2, stop))
    assert len(desk.placed) == 2
    waits = {"erased": []}.get(how, [Step.WAITING])
    assert sorted(steps(service, made)) == [Step.INVITED] * 2 + waits
    assert sum(job.uncertain for job in jobs(service)) == 0
    held = [job.held_by for job in jobs(service) if job.held_by]
    assert len(held) == (how not in {"ended", "erased"})


def test_frozen_mails_hold_back_no_row(service, ordered, desk, clock):
    ordered(3)
    with service.database.transaction() as session:
        freezes.freeze(session, clock(), OLGA, Frozen.MAILS)
    run(service)
    assert len(desk.placed) == 3


def test_a_mailbox_that_somebody_has_locked_holds_back_none_of_the_others(
    service, ordered, interrupted, desk
):
    """As an erasure does, which may take long. On SQLite whoever writes is alone."""
    if service.database.engine.dialect.name == "sqlite":
        return
    ordered(4)
    with service.database.transaction() as erasing:
        mails.lock_address(erasing, "personne2@asso.example")
        run(interrupted(1, erasing.rollback))
    assert placed(desk)[-1] == "personne2@asso.example"
    assert len(desk.placed) == 4


def test_who_got_the_address_while_the_room_was_asked_is_invited_there_without_a_mail(
    service, ordered, interrupted, clock
):
    ordered(3)

    def bind():
        with service.database.transaction() as session:
            for number in range(3):
                address = f"personne{number}@asso.example"
                associations.bind(
                    session, clock(), address=address, user_id=f"@p{number}:b.example"
                )

    run(interrupted(1, bind))
    assert {each.state for each in stored(service, ThirdPartyInvitation)} == {"accepted"}
    assert [mail for mail in stored(service, Mail) if mail.template == "invite"] == []


def test_a_portion_is_one_connection_and_the_breaker_learns_of_each_failure(
    service, ordered, told_room_actions, clock
):
    actions = replace(service, room_actions_for=told_room_actions.client_for(clock, service.calls))
    told_room_actions.rooms[ROOM] = ToldRoom(members={ZOE}, may_invite={ZOE})
    made = ordered(4)
    run(actions)
    assert set(steps(service, made)) == {Step.INVITED}
    assert (told_room_actions.asked, told_room_actions.connections) == (4, 1)
    told_room_actions.stop()
    late = ordered(3, "club.example")
    run(actions)
    assert set(steps(service, late)) == {Step.WAITING}
    with service.database.reading() as session:
        breaker = breakers.find_of(session, "education.example")[Interface.MODULE]
    assert breaker.failures == 3


def test_a_homeserver_that_is_found_away_is_no_fault_of_ours(
    service, ordered, told_room_actions, clock
):
    """Its breaker opens within the portion: the other rows are tried later, as each alone would be."""
    actions = replace(service, room_actions_for=told_room_actions.client_for(clock, service.calls))
    ordered(MAX_FAILURES + 2)
    told_room_actions.stop()
    run(actions)
    said = Counter(job.last_error for job in jobs(service))
    assert said.total() == MAX_FAILURES + 2
    assert said["it was found away a moment ago"] == 2


def test_rows_from_many_homeservers_hold_one_place_for_calls_at_a_time(
    service, told_room_actions, clock
):
    """Other threads of this process call homeservers too, as a portion's next one does."""
    names = [f"academie{number}.example" for number in range(AT_ONCE_IN_ALL + 2)]
    with service.database.transaction() as session:
        service.hashes.make(session)
        signing_keys.current_key(session, service.vault, clock())
        for name in names:
            server = {"url": "http://127.0.0.1:1", "label": name, "connector": "none"}
            server |= {"user_id_scheme": "address", "class_source": "agent", "created_at": clock()}
            session.add(Homeserver(name=name, **server))
    owners = [f"@zoe:{name}" for name in names]
    told_room_actions.rooms[ROOM] = ToldRoom(members={*owners}, may_invite={*owners})
    lists = []
    for number, owner in enumerate(owners):
        lists.append(take(service, people(5, f"asso{number}.example"), owner=owner))
        assert confirm(service, lists[-1]) == 2
    run(replace(service, room_actions_for=told_room_actions.client_for(clock, service.calls)))
    assert {step for made in lists for step in steps(service, made)} == {Step.INVITED}
    assert told_room_actions.connections == len(names)


def test_what_a_slow_homeserver_leaves_over_is_sent_as_it_was_stored(
    service, ordered, desk, monkeypatch
):
    """Nothing is extended, and nothing of it is asked for row by row."""
    monkeypatch.setattr(job_batches, "TIME", 0.0)  # so that each row takes as long as a portion may
    made = ordered(5)
    run(service)
    assert steps(service, made) == [Step.INVITED] * 5
    assert len(desk.placed) == 5
    happened = Counter(event.happened for event in stored(service, InvitationEvent))
    assert happened == {"created": 5, "mailed": 5}
