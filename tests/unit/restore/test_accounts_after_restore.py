"""An account that was made after the backup keeps its password, and is known again by its address."""

import pytest
from sqlalchemy import select

from identity.accounts import models as accounts
from identity.accounts.models import Account, AccountState
from identity.core.http_client import Away
from identity.core.outbox import Lane
from identity.homeservers.admin_client import Refused
from identity.mail.models import Mail
from identity.registration.attempts import AttemptStatus
from identity.sign_up.models import State, VerificationRequest
from identity.threepids import associations
from tests.worlds.account_attempts import *
from tests.worlds.backups import *

HERS = "camille.durand@ac-rouen.example"
USER = "@camille.durand-ac=2drouen.example:education.example"


@pytest.fixture
def backups(worker_services) -> Backups:
    return Backups(worker_services)


@pytest.fixture
def restore(backups, clock):
    def restore():
        ended = backups.bring_back(clock)
        clock.advance(minutes=1)
        return ended

    return restore


@pytest.fixture
def known(worker_services):
    """State and user ID of the account of an address, in our books."""

    def known(address=HERS):
        with worker_services.database.reading() as session:
            found = accounts.find_by_address(session, address)
            return found and (found.state, found.user_id)

    return known


def welcomes(worker_services) -> int:
    with worker_services.database.reading() as session:
        return len(session.scalars(select(Mail).where(Mail.template == "welcome")).all())


def test_the_password_in_use_stays_and_nobody_is_welcomed_twice(
    worker_services, backups, restore, confirm, ask, work, homeserver, known, postbox
):
    request = confirm()
    backups.take()
    ask(request)
    backups.work()
    assert known() == (AccountState.READY, USER)
    sent = len(postbox.sent)
    assert restore().looks == 1
    assert known() is None
    backups.work()
    assert known() == (AccountState.READY, USER)
    assert homeserver.passwords == {USER: PASSWORD}
    assert (len(postbox.sent), welcomes(worker_services)) == (sent, 0)
    with worker_services.database.reading() as session:
        assert associations.find_by_address(session, HERS).user_id == USER
        assert session.get_one(VerificationRequest, request.id).state == State.USED


def test_one_that_was_being_made_is_known_again_too(
    worker_services, backups, restore, confirm, ask, homeserver, known
):
    ask(confirm())
    backups.take()
    backups.work()
    assert homeserver.passwords == {USER: PASSWORD}
    assert restore().account_attempts == 1
    assert known() == (AccountState.CREATING, USER)
    backups.work()
    assert known() == (AccountState.READY, USER)
    assert homeserver.passwords == {USER: PASSWORD}
    assert kept(worker_services) == []


@pytest.mark.parametrize("state", [AccountState.CREATING, AccountState.CREATED])
def test_whoever_types_a_password_before_the_look_changes_none(
    worker_services, backups, restore, confirm, ask, work, homeserver, known, state
):
    request = confirm()
    ask(request)
    with worker_services.database.transaction() as session:
        session.scalars(select(Account)).one().state = state
    backups.take()
    backups.work()
    restore()
    ask(request, AGAIN)
    work()
    assert stands(worker_services, request) is AttemptStatus.TAKEN
    assert homeserver.passwords == {USER: PASSWORD}
    backups.work()
    assert known() == (AccountState.READY, USER)


def test_who_has_no_account_yet_gets_one_as_ever(
    worker_services, backups, restore, confirm, ask, work, homeserver, known
):
    request = confirm()
    backups.take()
    restore()
    backups.work()
    assert known() is None
    ask(request)
    work()
    assert known() == (AccountState.READY, USER)
    assert homeserver.passwords == {USER: PASSWORD}


def test_what_is_known_here_of_somebody_else_is_never_overwritten(
    worker_services, backups, restore, confirm, ask, homeserver, known, clock
):
    ask(confirm())
    with worker_services.database.transaction() as session:
        other = "@somebody:education.example"
        associations.bind(session, clock(), address="zoe@ac-rouen.example", user_id=other)
    confirm("zoe")
    confirm("max")
    backups.take()
    homeserver.addresses |= {
        HERS: "@mallory:education.example",
        "zoe@ac-rouen.example": "@mallory:education.example",
        "max@ac-rouen.example": "@max:guests.example",
    }
    restore()
    backups.work()
    assert known() == (AccountState.CREATING, USER)
    assert known("zoe@ac-rouen.example") is None
    assert known("max@ac-rouen.example") is None  # not of the homeserver that the rules name


def test_one_account_is_recorded_for_one_address(
    worker_services, backups, restore, confirm, homeserver, known
):
    for name in ("zoe", "zoe.martin"):
        confirm(name)
        homeserver.addresses[f"{name}@ac-rouen.example"] = "@zoe:education.example"
    backups.take()
    restore()
    backups.work()
    found = [known(f"{name}@ac-rouen.example") for name in ("zoe", "zoe.martin")]
    assert sorted(found, key=str) == [("ready", "@zoe:education.example"), None]


def test_a_homeserver_that_is_away_is_asked_again_and_one_that_refuses_is_not(
    backups, restore, confirm, homeserver, known, clock
):
    request = confirm()
    backups.take()
    homeserver.addresses[HERS] = USER
    homeserver.failures["holder_of"] = Away("silent")
    restore()
    backups.work(Lane.BULK)
    assert known() is None
    clock.advance(minutes=1)
    homeserver.failures["holder_of"] = Refused("403")
    backups.work(Lane.BULK)
    assert backups.job_of(request.id).gave_up_at == clock()
    assert known() is None
