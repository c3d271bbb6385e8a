"""What waits for a homeserver that is held or suspended, for a frozen mail or a blocked inviter."""

from datetime import timedelta

import pytest

from identity.core import leases, outbox, waiting_jobs
from identity.core.outbox import JobKind, Lane
from identity.freezes import service as freezes
from identity.freezes.models import Frozen
from identity.homeservers import changing as homeserver_changes
from identity.invitations import blocks
from identity.invitations.mail_grouping import GATHERING_TIME
from identity.invitations.models import Delivery
from identity.mail import models as mails
from identity.mail.jobs import sending as mail_jobs
from identity.mail.kinds import MailKind
from identity.mail_kinds import kind_of
from tests.worlds.inviting import ADA, GIL, ZOE, Inviting
from tests.worlds.worker import *
from workers import tasks

EDUCATION = "education.example"


@pytest.fixture
def held(services):
    def held():
        with services.database.reading() as session:
            return waiting_jobs.count_held(session)

    return held


def work(services, *lanes):
    for lane in lanes or (Lane.URGENT, Lane.NORMAL, Lane.BULK):
        tasks.run_lane(services, lane)


@pytest.mark.parametrize(("stop", "go_on"), [("hold", "release"), ("suspend", "resume")])
def test_an_onbind_waits_longer_than_it_would_be_tried_and_arrives_once(
    worker_services, invite, bind, now_at, told_homeserver, acts, held, clock, stop, go_on
):
    invitation = invite()
    bind()
    acts(getattr(homeserver_changes, stop), EDUCATION)
    for _ in range(4):
        work(worker_services)
        clock.advance(days=5)  # it would be given up after 14
    assert told_homeserver.told == []
    assert now_at(invitation) is Delivery.DUE
    assert held() == {f"homeserver:{EDUCATION}": 1}
    assert acts(getattr(homeserver_changes, go_on), EDUCATION) == 1
    work(worker_services)
    assert len(told_homeserver.told) == 1
    assert now_at(invitation) is Delivery.DELIVERED


def test_a_hold_with_an_end_is_released_by_the_next_look_into_a_lane(
    worker_services, invite, bind, told_homeserver, acts, held, clock
):
    invite()
    bind()
    acts(homeserver_changes.hold, EDUCATION, until=clock() + timedelta(hours=1))
    work(worker_services)
    assert held()
    clock.advance(hours=1)
    work(worker_services)
    assert not held()
    assert len(told_homeserver.told) == 1


def test_what_is_suspended_and_held_waits_for_the_end_of_both(
    worker_services, invite, bind, told_homeserver, acts, held
):
    invite()
    bind()
    acts(homeserver_changes.hold, EDUCATION)
    acts(homeserver_changes.suspend, EDUCATION)
    work(worker_services)
    assert acts(homeserver_changes.resume, EDUCATION) == 0
    work(worker_services)
    assert (held(), told_homeserver.told) == ({f"homeserver:{EDUCATION}": 1}, [])
    assert acts(homeserver_changes.release, EDUCATION) == 1
    work(worker_services)
    assert len(told_homeserver.told) == 1


def test_an_event_in_a_room_is_cleared_after_the_hold(worker_services, invite, acts, held, clock):
    invitation = invite()
    acts(homeserver_changes.hold, EDUCATION)
    with worker_services.database.transaction() as session:
        outbox.enqueue(session, JobKind.REVOCATION, invitation.id, clock(), lane=Lane.NORMAL)
    work(worker_services)
    clock.advance(days=4)  # it would be given up after 3
    work(worker_services)
    assert held() == {f"homeserver:{EDUCATION}": 1}


@pytest.fixture
def zoe(services, rules, clock) -> Inviting:
    return Inviting(services.database, rules, clock, services.hashes)


@pytest.fixture
def ada(services, rules, clock) -> Inviting:
    return Inviting(services.database, rules, clock, services.hashes)


def sent_to(postbox):
    return [message["To"] for message in postbox.sent]


def test_mails_wait_for_the_thaw_without_being_given_up_and_leave_in_order(
    services, postbox, acts, held, clock, request_
):
    acts(freezes.freeze, Frozen.MAILS)
    with services.database.transaction() as session:
        for name in "abc":
            clock.advance(seconds=1)
            mails.order(
                session,
                clock(),
                template=mails.Template.CODE_USED,
                address=f"{name}@ac-rouen.example",
                language="fr",
                subject_id=request_.id,
            )
    work(services)
    clock.advance(days=3)  # mails with codes are given up after a day
    work(services)
    assert postbox.sent == []
    assert held() == {"mails": 4}
    acts(freezes.thaw, Frozen.MAILS)
    work(services)
    assert sent_to(postbox) == [f"{name}@ac-rouen.example" for name in "abc"]
    with services.database.reading() as session:
        states = {mail.template: mail.state for mail in mails.find_recent(session)}
    assert states["verify"] == "dropped", "its request has ended: the code would be useless"


def test_a_released_mail_has_its_tries_before_it_when_the_relay_is_slow(
    services, postbox, acts, clock, request_
):
    acts(freezes.freeze, Frozen.MAILS, until=clock() + timedelta(hours=20))
    work(services)
    clock.advance(hours=20)
    postbox.failure = mail_jobs.NotSent(mail_jobs.Outcome.DEFER, "450 later")
    work(services)
    clock.advance(hours=3)
    work(services)
    postbox.failure = None
    clock.advance(minutes=30)
    work(services)
    assert sent_to(postbox) == ["camille.durand@ac-rouen.example"]
    assert postbox.sent[0]["Date"].startswith("Tue, 02 Mar 2027"), (
        "when it left, not when it was held"
    )


def test_operators_own_mails_are_never_frozen(services, postbox, acts, held, request_, monkeypatch):
    acts(freezes.freeze, Frozen.MAILS)

    def for_operators(mail) -> MailKind:
        found = kind_of(mail)
        return MailKind(compose=found.compose, decide=found.decide, is_for_operators=True)

    with services.database.transaction() as session:
        job = leases.lease_next(session, services.now(), Lane.URGENT)
    mail_jobs.send_mail(services, job, kind_of=for_operators)
    assert len(postbox.sent) == 1


def test_a_frozen_domain_holds_mails_to_it_alone(services, postbox, acts, held, clock, zoe):
    zoe.store()
    zoe.store("lea@other.example")
    acts(freezes.freeze, Frozen.DOMAIN, domain=GIL.partition("@")[2])
    clock.time += GATHERING_TIME
    work(services)
    assert sent_to(postbox) == ["lea@other.example"]
    assert held() == {f"domain:{GIL.partition('@')[2]}": 1}


def test_frozen_invitations_hold_their_mails_and_no_other(
    services, postbox, acts, clock, zoe, request_
):
    zoe.store()
    acts(freezes.freeze, Frozen.INVITATIONS)
    clock.time += GATHERING_TIME
    work(services)
    assert sent_to(postbox) == ["camille.durand@ac-rouen.example"]


def test_the_mails_of_a_blocked_inviter_wait_and_leave_when_they_are_unblocked(
    services, postbox, acts, held, clock, zoe
):
    zoe.store()
    acts(blocks.block, ZOE, hashes=services.hashes)
    clock.time += GATHERING_TIME
    work(services)
    assert (postbox.sent, held()) == ([], {f"inviter:{ZOE}": 1})
    assert acts(blocks.unblock, ZOE, hashes=services.hashes)
    work(services)
    assert sent_to(postbox) == [GIL]


def test_invitations_from_a_suspended_homeserver_wait_and_leave_when_it_is_resumed(
    services, postbox, acts, held, clock, zoe
):
    """It may be in the wrong hands: what it has ordered by then goes nowhere."""
    zoe.store()
    acts(homeserver_changes.suspend, EDUCATION)
    clock.time += GATHERING_TIME
    work(services)
    assert (postbox.sent, held()) == ([], {f"homeserver:{EDUCATION}": 1})
    assert acts(homeserver_changes.resume, EDUCATION) == 1
    work(services)
    assert sent_to(postbox) == [GIL]


def test_others_in_the_same_mail_do_not_wait_for_a_blocked_inviter(
    services, postbox, acts, held, clock, zoe
):
    zoe.store(sender=ZOE)
    zoe.store(sender=ADA, room_id="!other:education.example")
    acts(blocks.block, ZOE, hashes=services.hashes)
    clock.time += GATHERING_TIME
    work(services)
    [message] = postbox.sent
    text = message.get_body(("plain",)).get_content()
    assert ADA in text
    assert ZOE not in text
    assert held() == {f"inviter:{ZOE}": 1}
    acts(blocks.unblock, ZOE, hashes=services.hashes)
    clock.advance(days=1)
    work(services)
    assert len(postbox.sent) == 2
    assert ZOE in postbox.sent[1].get_body(("plain",)).get_content()
