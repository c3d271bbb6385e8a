"""Homeservers that are slow or away, and workers that are not there: who waits is told, and nothing is kept."""

import dataclasses
import threading

import pytest
from sqlalchemy import select, update

from identity import problems
from identity.accounts import models as accounts
from identity.core import nodes, outbox
from identity.core.http_client import Away
from identity.core.nodes import Node, NodeReport
from identity.core.outbox import Job, Lane
from identity.core.sealing import PrivateHalves, new_pair
from identity.homeservers.breakers import MAX_FAILURES, OPEN_FOR
from identity.mail import models as mails
from identity.registration.attempts import AttemptStatus
from identity.registration.models import AccountAttempt
from identity.registration.pages import creation as account_creation
from identity.sign_up.models import State, VerificationRequest
from tests.services.fake_homeserver import FakeHomeserver
from tests.services.waiting import wait_for
from tests.worlds.account_attempts import *
from tests.worlds.account_attempts import kept, stands
from workers import tasks


class Slow(FakeHomeserver):
    """Holds every call until it is let go, and counts."""

    def __init__(self):
        super().__init__()
        self.go, self.lock = threading.Event(), threading.Lock()
        self.now, self.most = 0, 0

    def look(self, account):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        self.go.wait(60)
        with self.lock:
            self.now -= 1
        return super().look(account)


@pytest.mark.slow
def test_a_homeserver_gets_two_calls_at_once_and_the_others_are_not_kept_waiting(
    worker_services, confirm, ask, clock
):
    slow, quick = Slow(), FakeHomeserver()
    by_name = {"education.example": slow, "guests.example": quick}
    worker_services = dataclasses.replace(
        worker_services, connector_for=lambda each: by_name[each.name]
    )
    requests = [confirm(f"person{number}") for number in range(5)]
    for request in requests:
        ask(request)
    with worker_services.database.transaction() as session:
        last = session.scalars(select(AccountAttempt).order_by(AccountAttempt.id)).all()[-1]
        last.homeserver = "guests.example"
    runs = [
        threading.Thread(target=tasks.run_lane, args=(worker_services, Lane.ACCOUNTS))
        for _ in range(4)
    ]
    for thread in runs:
        thread.start()
    wait_for(
        lambda: slow.now == 2 and waiting(worker_services) == 0, what="two calls, the rest put off"
    )
    wait_for(lambda: quick.names, what="the call to another homeserver")
    slow.go.set()
    for thread in runs:
        thread.join()
    clock.advance(seconds=2)
    tasks.run_lane(worker_services, Lane.ACCOUNTS)
    assert slow.most == 2
    assert len(slow.names) == 4


def waiting(worker_services) -> int:
    with worker_services.database.reading() as session:
        due = select(Job).where(Job.due_at <= worker_services.now(), outbox.WAITING)
        return len(session.scalars(due.where(Job.lane == Lane.ACCOUNTS)).all())


@pytest.mark.slow
def test_after_five_failures_nobody_waits_for_a_homeserver_until_one_call_has_tried(
    worker_services, confirm, ask, work, homeserver, clock
):
    asked, look = [], homeserver.look
    homeserver.look = lambda account: asked.append(1) or look(account)
    for number in range(MAX_FAILURES):
        request = confirm(f"person{number}")
        ask(request)
        homeserver.failures["look"] = Away("ConnectTimeout")
        work()
        assert stands(worker_services, request) is AttemptStatus.AWAY
    with pytest.raises(problems.ServerAway):
        ask(confirm("next"))
    assert (len(asked), kept(worker_services)) == (MAX_FAILURES, [])
    clock.time += OPEN_FOR
    ask(confirm("one"))
    ask(confirm("another"))
    homeserver.failures["look"] = Away("ConnectTimeout")
    work()
    assert len(asked) == MAX_FAILURES + 1, "one call has tried; the other one did not wait for it"
    clock.time += OPEN_FOR
    for name in ("seventh", "eighth"):
        ask(confirm(name))
    work()
    assert len(homeserver.names) == 2, "the one that tried found it there, and so did the next"


@pytest.mark.slow
def test_probes_wait_in_bulk_and_find_out_for_each_other(
    worker_services, confirm, ask, work, homeserver, clock
):
    probed = []
    homeserver.probe = lambda: probed.append(1) or homeserver._fail("probe")
    for number in range(MAX_FAILURES + 1):
        request = confirm(f"person{number}")
        homeserver.failures["look"] = Away("ConnectTimeout")
        try:
            ask(request)
        except problems.ServerAway:
            continue
        work()
    homeserver.failures["probe"] = Away("ConnectTimeout")
    clock.time += OPEN_FOR
    work(Lane.BULK)
    assert len(probed) == 1
    clock.advance(minutes=2)
    work(Lane.BULK)
    with worker_services.database.reading() as session:
        assert [mail.template for mail in mails.find_recent(session)] == ["server_ready"] * (
            MAX_FAILURES + 1
        )


def silence(worker_services, clock):
    with worker_services.database.transaction() as session:
        session.execute(update(Node).values(seen_at=clock() - nodes.GONE_AFTER))


def beat(worker_services, clock, halves=None):
    key_ids = [public.key_id for public in (halves or worker_services.private_halves).publics]
    with worker_services.database.transaction() as session:
        nodes.record_heartbeat(session, clock(), NodeReport("another", key_ids=key_ids))


@pytest.mark.slow
def test_where_no_worker_lives_nothing_is_kept_and_a_mail_comes_when_one_does(
    worker_services, confirm, ask, work, homeserver, clock
):
    silence(worker_services, clock)
    request = confirm()
    with pytest.raises(problems.ServerAway):
        ask(request)
    assert kept(worker_services) == []
    with worker_services.database.reading() as session:
        assert accounts.find_by_address(session, request.address) is None
        assert session.get_one(VerificationRequest, request.id).state == State.CONFIRMED
    # A worker of the version before makes no accounts: it empties other lanes, and promises nothing.
    for lane in (Lane.URGENT, Lane.NORMAL, Lane.BULK):
        work(lane)
    with worker_services.database.reading() as session:
        assert mails.find_recent(session) == []
    beat(worker_services, clock)
    work()
    work(Lane.BULK)
    with worker_services.database.reading() as session:
        assert [mail.template for mail in mails.find_recent(session)] == ["server_ready"]
    ask(request)
    work()
    assert account_creation.find_created(worker_services, request)


def test_a_worker_without_the_private_half_is_as_good_as_none(worker_services, confirm, ask, clock):
    silence(worker_services, clock)
    beat(worker_services, clock, PrivateHalves([new_pair()[0]]))
    with pytest.raises(problems.ServerAway):
        ask(confirm())
    beat(worker_services, clock)
    ask(confirm())


def test_a_worker_that_stops_says_so(worker_services, confirm, ask, clock):
    silence(worker_services, clock)
    beat(worker_services, clock)
    with worker_services.database.transaction() as session:
        nodes.remove_node(session, "another")
    with pytest.raises(problems.ServerAway):
        ask(confirm())
