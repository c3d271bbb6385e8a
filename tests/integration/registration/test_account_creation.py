"""Claim, hand over, ask the homeserver, conclude: whatever happens in between, one account and nobody else's."""

import contextlib
import dataclasses
import threading

import pytest
from sqlalchemy import select

from identity import problems
from identity.accounts import models as accounts
from identity.core import outbox
from identity.core.http_client import Away
from identity.core.outbox import JobKind, Lane
from identity.homeservers import models as homeservers
from identity.homeservers.admin_client import Refused
from identity.mail import models as mails
from identity.registration import passwords
from identity.registration.attempts import AttemptStatus
from identity.registration.models import TypedPassword
from identity.registration.pages import creation as account_creation
from identity.sign_up import service as sign_up, visibility
from identity.sign_up.models import VerificationRequest
from identity.sign_up.visibility import Step
from identity.threepids import associations
from tests.services.fake_homeserver import FakeHomeserver
from tests.services.waiting import wait_for
from workers import tasks

PASSWORD = "correct horse battery staple"
ADDRESS = "camille.durand@ac-rouen.example"
USER_ID = "@camille.durand-ac=2drouen.example:education.example"


@pytest.fixture
def homeserver():
    return FakeHomeserver()


@pytest.fixture
def worker_services(services, homeserver):
    with services.database.transaction() as session:
        homeservers.find(session, "education.example").connector = "synapse"
    return dataclasses.replace(services, connector_for=lambda _homeserver: homeserver)


@pytest.fixture
def confirm(worker_services, camille, clock):
    def confirm(browser="Ana"):
        with worker_services.database.transaction() as session:
            request = sign_up.start(
                session,
                worker_services.rules.current(),
                clock(),
                address=camille,
                browser=browser,
                language="fr",
            )
        with worker_services.database.transaction() as session:
            row = session.get_one(VerificationRequest, request.id)
            assert sign_up.confirm_by_link(session, clock(), row)
        return request

    return confirm


@pytest.fixture
def ask(worker_services):
    """The web's part."""

    def ask(request, **facts):
        given = {"display_name": "Camille Durand [Rouen]", "password": PASSWORD, "language": "fr"}
        account_creation.request_account(worker_services, request.id, **given | facts)

    return ask


@pytest.fixture
def create(worker_services, ask):
    """The web's part, and the worker's: the account, or where the attempt stands."""

    def create(request, **facts):
        ask(request, **facts)
        tasks.run_lane(worker_services, Lane.ACCOUNTS)
        # In this order: an attempt that another thread ends between the two reads reads as made.
        standing = stands(worker_services, request)
        return account_creation.find_created(worker_services, request) or standing

    return create


def stands(worker_services, request):
    return account_creation.find_progress(worker_services, request).status


def passwords_kept(worker_services):
    with worker_services.database.reading() as session:
        return session.scalars(select(TypedPassword)).all()


def templates(worker_services):
    with worker_services.database.reading() as session:
        return sorted(mail.template for mail in mails.find_recent(session))


def test_a_confirmed_address_becomes_an_account_with_association_and_welcome(
    worker_services, confirm, create, homeserver
):
    request = confirm()
    assert create(request).user_id == USER_ID
    assert homeserver.names == {USER_ID: "Camille Durand [Rouen]"}
    assert homeserver.addresses == {ADDRESS: USER_ID}
    with worker_services.database.reading() as session:
        assert associations.find_by_address(session, ADDRESS).user_id == USER_ID
        row = session.get_one(VerificationRequest, request.id)
        assert visibility.step_of(row, worker_services.now()) is Step.USED
    assert templates(worker_services) == ["verify", "welcome"]
    assert account_creation.find_created(worker_services, request).user_id == USER_ID


def test_without_a_confirmed_request_nothing_is_made(
    worker_services, create, homeserver, camille, clock
):
    with worker_services.database.transaction() as session:
        request = sign_up.start(
            session,
            worker_services.rules.current(),
            clock(),
            address=camille,
            browser="Ana",
            language="fr",
        )
    with pytest.raises(problems.NoSuchRequest):
        create(request)
    assert homeserver.names == {}


@pytest.mark.parametrize("name", ["", "  ", "x" * 81, "a\x00b", "Ana\u202egnp", "ana@x.example"])
def test_a_display_name_that_could_mislead_is_refused(confirm, create, name):
    with pytest.raises(problems.WrongDisplayName):
        create(confirm(), display_name=name)


def test_of_a_weak_password_nothing_is_kept_and_the_next_is_taken(worker_services, confirm, create):
    request = confirm()
    with pytest.raises(problems.WeakPassword):
        create(request, password="Camille-Durand-2027")
    with worker_services.database.reading() as session:
        assert accounts.find_by_address(session, ADDRESS) is None
    assert passwords_kept(worker_services) == []
    assert create(request).user_id == USER_ID


@pytest.mark.parametrize("password", [PASSWORD, "Camille-Durand-2027"])
def test_of_many_forms_sent_at_once_one_password_is_judged(
    worker_services, confirm, ask, monkeypatch, password
):
    """The claim comes first: judging is what costs time."""
    request, judged, others = confirm(), [], threading.Barrier(8)

    def judge(*args, **facts):
        judged.append(args)
        others.wait(60)  # for the seven that found the request claimed
        return passwords.judge(*args, **facts)

    monkeypatch.setattr(account_creation, "judge", judge)

    def send():
        with contextlib.suppress(problems.WeakPassword):
            ask(request, password=password)

    def find_it_claimed():
        ask(request, password=password)
        others.wait(60)

    first = threading.Thread(target=send)
    first.start()
    wait_for(lambda: judged, what="the first is judged")
    rest = [threading.Thread(target=find_it_claimed) for _ in range(7)]
    for thread in rest:
        thread.start()
    for thread in (first, *rest):
        thread.join()
    assert len(judged) == 1


def test_where_no_account_can_come_of_it_no_password_is_judged(
    worker_services, confirm, ask, monkeypatch
):
    request = confirm()
    with worker_services.database.transaction() as session:
        associations.bind(
            session, worker_services.now(), address=ADDRESS, user_id="@other:b.example"
        )
    monkeypatch.setattr(account_creation, "judge", None)
    with pytest.raises(problems.AddressTaken):
        ask(request)


@pytest.mark.parametrize("failure", [Away("ConnectTimeout"), Refused("403 M_FORBIDDEN")])
@pytest.mark.parametrize("place", ["look", "create", "after register", "after complete"])
def test_a_homeserver_that_fails_anywhere_costs_no_new_proof(
    worker_services, confirm, create, homeserver, failure, place
):
    request = confirm()
    homeserver.failures[place] = failure
    assert create(request) is AttemptStatus.AWAY
    assert passwords_kept(worker_services) == []
    with worker_services.database.reading() as session:
        assert outbox.find_by_subject(session, request.id).kind == JobKind.SERVER_PROBE
    made = create(request, password="another lamp beside the violet")
    assert made.user_id == USER_ID
    assert homeserver.passwords == {USER_ID: "another lamp beside the violet"}
    assert templates(worker_services) == ["verify", "welcome"]


def test_an_account_that_was_there_before_keeps_its_password(confirm, create, homeserver):
    homeserver.names[USER_ID] = "Somebody else"
    homeserver.passwords[USER_ID] = "theirs"
    assert create(confirm()) is AttemptStatus.NAME_REFUSED
    assert homeserver.passwords == {USER_ID: "theirs"}
    assert homeserver.addresses == {}


def test_an_account_that_holds_the_address_already_is_not_touched(
    worker_services, confirm, create, homeserver
):
    homeserver.names[USER_ID] = "Camille Durand [Rouen]"
    homeserver.addresses[ADDRESS] = USER_ID
    homeserver.passwords[USER_ID] = "theirs"
    assert create(confirm()) is AttemptStatus.TAKEN
    assert homeserver.passwords == {USER_ID: "theirs"}
    with worker_services.database.reading() as session:
        assert accounts.find_by_address(session, ADDRESS) is None


def test_an_account_somebody_else_made_after_a_failed_try_is_not_taken_over(
    confirm, create, homeserver
):
    """The name was free when the first try looked; the try made nothing."""
    request = confirm()
    homeserver.failures["create"] = Away("ConnectTimeout")
    assert create(request) is AttemptStatus.AWAY
    homeserver.names[USER_ID] = "Camille, by the administrator"
    homeserver.addresses[ADDRESS] = USER_ID
    homeserver.passwords[USER_ID] = "theirs"
    assert create(request) is AttemptStatus.TAKEN
    assert homeserver.passwords == {USER_ID: "theirs"}


def test_a_double_click_makes_one_account_and_one_welcome(
    worker_services, confirm, create, homeserver
):
    request, made, refused = confirm(), [], []

    def click():
        try:
            made.append(create(request))
        except problems.Problem as problem:
            refused.append(type(problem))

    threads = [threading.Thread(target=click) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {each for each in made if isinstance(each, AttemptStatus)} <= {AttemptStatus.UNDER_WAY}
    assert {each.user_id for each in made if not isinstance(each, AttemptStatus)} == {USER_ID}
    assert set(refused) <= {problems.AddressTaken, problems.NoSuchRequest}
    assert len(homeserver.names) == 1
    assert templates(worker_services) == ["verify", "welcome"]


def test_a_second_browser_of_the_same_person_is_told_that_the_account_exists(confirm, create):
    first, second = confirm("Ana"), confirm("Ana's phone")
    create(first)
    with pytest.raises((problems.AddressTaken, problems.NoSuchRequest)):
        create(second)
