"""A typed password on its way to the homeserver: sealed, short-lived, for one account, whoever dies on the way."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from identity.core import leases
from identity.core.http_client import Away
from identity.core.outbox import LEASE, Job, JobKind, Lane
from identity.mail import models as mails
from identity.registration import models as account_attempts
from identity.registration.attempts import PASSWORD_LIFETIME, AttemptStatus
from identity.registration.jobs import accounts as job
from identity.registration.models import TypedPassword
from identity.registration.pages import creation as account_creation
from identity.sign_up import models as verification_requests
from identity.sign_up.models import State, VerificationRequest
from tests.worlds.account_attempts import *
from tests.worlds.account_attempts import AGAIN, PASSWORD, Killed, everything, kept, stands


def test_a_typed_password_is_kept_for_the_worker_alone_to_open(worker_services, confirm, ask):
    request = confirm()
    ask(request)
    [row] = kept(worker_services)
    with worker_services.database.reading() as session:
        attempt = account_attempts.find_by_request(session, request.id)
        [entry] = session.scalars(select(Job).where(Job.lane == Lane.ACCOUNTS))
    assert (entry.kind, entry.subject_id) == (JobKind.ACCOUNT, attempt.id)
    assert PASSWORD not in everything(worker_services)
    assert len(row.sealed) > 256, "and it does not tell how long the password is"
    assert stands(worker_services, request) is AttemptStatus.UNDER_WAY


def test_the_password_is_gone_from_the_database_before_the_homeserver_is_asked(
    worker_services, confirm, ask, work, homeserver
):
    seen = []
    look = homeserver.look
    homeserver.look = lambda account: seen.append(kept(worker_services)) or look(account)
    ask(confirm())
    work()
    assert seen == [[]]
    assert set(homeserver.passwords.values()) == {PASSWORD}


@pytest.mark.slow
@pytest.mark.parametrize("place", ["look", "create", "after register"])
def test_a_worker_killed_before_the_account_stands_costs_the_password_and_nothing_else(
    worker_services, confirm, ask, work, homeserver, clock, place
):
    request = confirm()
    ask(request)
    homeserver.failures[place] = Killed()
    with pytest.raises(Killed):
        work()
    assert kept(worker_services) == []
    assert stands(worker_services, request) is AttemptStatus.UNDER_WAY
    clock.advance(seconds=LEASE.total_seconds())
    work()
    assert stands(worker_services, request) is AttemptStatus.AGAIN
    ask(request, AGAIN)
    work()
    made = account_creation.find_created(worker_services, request)
    assert homeserver.passwords == {made.user_id: AGAIN}
    assert homeserver.names == {made.user_id: "Camille"}


@pytest.mark.slow
def test_a_worker_killed_after_the_account_stood_is_found_out_by_the_next(
    worker_services, confirm, ask, work, homeserver, clock
):
    request = confirm()
    ask(request)
    homeserver.failures["after complete"] = Killed()
    with pytest.raises(Killed):
        work()
    assert account_creation.find_created(worker_services, request) is None
    clock.advance(seconds=LEASE.total_seconds())
    work()
    made = account_creation.find_created(worker_services, request)
    assert homeserver.passwords == {made.user_id: PASSWORD}


@pytest.mark.slow
def test_a_second_password_that_was_lost_is_not_taken_for_the_first(
    worker_services, confirm, ask, work, homeserver, clock
):
    """The account stands with the first; who typed the second is asked again, and gets what they type then."""
    request = confirm()
    ask(request)
    homeserver.failures["after complete"] = Killed()
    with pytest.raises(Killed):
        work()
    clock.advance(minutes=2)
    ask(request, "a second lamp under the hazel")
    homeserver.failures["look"] = Killed()
    with pytest.raises(Killed):
        work()
    clock.advance(seconds=LEASE.total_seconds())
    work()
    assert stands(worker_services, request) is AttemptStatus.AGAIN
    ask(request, AGAIN)
    work()
    assert set(homeserver.passwords.values()) == {AGAIN}
    assert len(homeserver.names) == 1


def test_a_password_nobody_took_within_a_minute_is_deleted_and_asked_for_again(
    worker_services, confirm, ask, work, homeserver, clock
):
    request = confirm()
    ask(request)
    clock.time += PASSWORD_LIFETIME - timedelta(seconds=1)
    assert job.empty_passwords(worker_services) == 0
    assert stands(worker_services, request) is AttemptStatus.UNDER_WAY
    clock.advance(seconds=1)
    assert stands(worker_services, request) is AttemptStatus.AGAIN
    assert job.empty_passwords(worker_services) == 1
    assert kept(worker_services) == []
    work()
    assert (homeserver.names, stands(worker_services, request)) == ({}, AttemptStatus.AGAIN)


def test_a_worker_that_comes_too_late_takes_no_password_and_leaves_none(
    worker_services, confirm, ask, work, homeserver, clock
):
    request = confirm()
    ask(request)
    clock.time += PASSWORD_LIFETIME
    work()
    assert (kept(worker_services), homeserver.names) == ([], {})
    assert stands(worker_services, request) is AttemptStatus.AGAIN


@pytest.mark.slow
def test_the_next_form_anybody_sends_deletes_what_no_worker_took(
    worker_services, confirm, ask, clock
):
    ask(confirm())
    clock.time += PASSWORD_LIFETIME
    ask(confirm("zoe.martin"))
    assert [row.typed_at for row in kept(worker_services)] == [clock()]


def test_every_wait_ends_also_if_no_worker_ever_comes_back(
    worker_services, confirm, ask, work, homeserver, clock
):
    request = confirm()
    ask(request)
    homeserver.failures["look"] = Killed()
    with pytest.raises(Killed):
        work()
    clock.advance(minutes=2)
    assert stands(worker_services, request) is AttemptStatus.AGAIN


@pytest.mark.slow
def test_the_password_of_one_is_not_opened_for_another(
    worker_services, confirm, ask, work, homeserver
):
    """Whoever can write into the database gives nobody somebody else's password."""
    ana, zoe = confirm("ana.petit"), confirm("zoe.martin")
    ask(ana, "an umbrella for the old harbour")
    ask(zoe, "a bicycle in the quiet attic")
    first, second = kept(worker_services)
    with worker_services.database.transaction() as session:
        for row, sealed in ((first, second.sealed), (second, first.sealed)):
            session.execute(
                update(TypedPassword)
                .where(TypedPassword.attempt_id == row.attempt_id)
                .values(sealed=sealed)
            )
    work()
    assert (homeserver.names, kept(worker_services)) == ({}, [])
    assert {stands(worker_services, request) for request in (ana, zoe)} == {AttemptStatus.AGAIN}


@pytest.mark.slow
def test_a_job_taken_up_twice_makes_one_account(worker_services, confirm, ask, homeserver):
    request = confirm()
    ask(request)
    with worker_services.database.transaction() as session:
        entry = leases.lease_next(session, worker_services.now(), Lane.ACCOUNTS)
    both = [
        threading.Thread(target=job.make_account, args=(worker_services, entry)) for _ in range(2)
    ]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    with worker_services.database.reading() as session:
        templates = [mail.template for mail in mails.find_recent(session)]
    assert (len(homeserver.names), templates) == (1, ["welcome"])


@pytest.mark.slow
def test_who_cancels_meanwhile_gets_no_account(worker_services, confirm, ask, work, homeserver):
    request = confirm()
    ask(request)
    with worker_services.database.transaction() as session:
        row = session.get_one(VerificationRequest, request.id)
        verification_requests.change_state(session, row, source=State.CONFIRMED, to=State.CANCELLED)
    work()
    assert (homeserver.names, kept(worker_services)) == ({}, [])


@pytest.mark.slow
def test_nothing_of_a_password_stands_in_a_log(
    worker_services, confirm, ask, work, homeserver, caplog
):
    caplog.set_level("DEBUG")
    for number, failure in enumerate((Away("ConnectTimeout"), ZeroDivisionError())):
        homeserver.failures["look"] = failure
        ask(confirm(f"person{number}"))
        sealed = kept(worker_services)[0].sealed
        work()
        assert PASSWORD not in caplog.text
        assert sealed not in caplog.text
