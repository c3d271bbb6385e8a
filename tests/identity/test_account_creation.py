"""Claim, ask the homeserver, conclude: whatever happens in between, one account and nobody else's."""

import dataclasses
import threading

import pytest

from identity import account_creation, problems
from identity.gateways.homeserver import Found, NameTaken, Refused
from identity.gateways.http_client import Away
from identity.storage import accounts, associations, mails, outbox
from identity.storage.outbox import Errand
from identity.storage.verification_requests import VerificationRequest
from identity.use_cases import sign_up
from identity.use_cases.sign_up import Step

PASSWORD = "correct horse battery staple"
ADDRESS = "camille.durand@ac-rouen.example"
USER_ID = "@camille.durand-ac=2drouen.example:education.example"


class FakeHomeserver:
    """A homeserver by value: what it holds, and how it fails. The real one is in gateways/test_homeserver.py."""

    def __init__(self):
        self.names: dict[str, str] = {}
        self.addresses: dict[str, str] = {}
        self.passwords: dict[str, str] = {}
        self.failures: dict[str, Exception] = {}

    def look(self, account):
        self._fail("look")
        holder = self.addresses.get(account.address)
        if holder not in {None, account.user_id}:
            return Found.ADDRESS_HELD
        name = self.names.get(account.user_id)
        if name is None:
            return Found.NOTHING
        if name == account.mark:
            return Found.BEGUN
        return Found.FINISHED if holder else Found.NAME_TAKEN

    def create(self, account):
        self._fail("create")
        if account.user_id in self.names:
            raise NameTaken
        self.names[account.user_id] = account.mark
        self.passwords[account.user_id] = account.password.get_secret_value()
        self._fail("after register")
        self._complete(account)

    def finish(self, account):
        self.passwords[account.user_id] = account.password.get_secret_value()
        self._complete(account)

    def probe(self):
        self._fail("probe")

    def _complete(self, account):
        self.addresses[account.address] = account.user_id
        self.names[account.user_id] = account.display_name
        self._fail("after complete")

    def _fail(self, place):
        if place in self.failures:
            raise self.failures.pop(place)


@pytest.fixture
def homeserver():
    return FakeHomeserver()


@pytest.fixture
def wired(wiring, homeserver):
    return dataclasses.replace(wiring, connector_for=lambda _homeserver: homeserver)


@pytest.fixture
def confirm(wired, camille, clock):
    def confirm(browser="Ana"):
        with wired.database.transaction() as session:
            request = sign_up.start(
                session,
                wired.rules.current(),
                clock(),
                address=camille,
                browser=browser,
                language="fr",
            )
        with wired.database.transaction() as session:
            row = session.get_one(VerificationRequest, request.id)
            assert sign_up.confirm_by_link(session, clock(), row)
        return request

    return confirm


@pytest.fixture
def create(wired):
    def create(request, **facts):
        given = {"display_name": "Camille Durand [Rouen]", "password": PASSWORD, "language": "fr"}
        return account_creation.create(wired, request.id, **given | facts)

    return create


def templates(wired):
    with wired.database.reading() as session:
        return [mail.template for mail in reversed(mails.recent(session))]


def test_a_confirmed_address_becomes_an_account_with_association_and_welcome(
    wired, confirm, create, homeserver
):
    request = confirm()
    assert create(request).user_id == USER_ID
    assert homeserver.names == {USER_ID: "Camille Durand [Rouen]"}
    assert homeserver.addresses == {ADDRESS: USER_ID}
    with wired.database.reading() as session:
        assert associations.of_address(session, ADDRESS).user_id == USER_ID
        row = session.get_one(VerificationRequest, request.id)
        assert sign_up.where(row, wired.now()) is Step.USED
    assert templates(wired) == ["verify", "welcome"]
    assert account_creation.made(wired, request).user_id == USER_ID


def test_without_a_confirmed_request_nothing_is_made(wired, create, homeserver, camille, clock):
    with wired.database.transaction() as session:
        request = sign_up.start(
            session, wired.rules.current(), clock(), address=camille, browser="Ana", language="fr"
        )
    with pytest.raises(problems.NoSuchRequest):
        create(request)
    assert homeserver.names == {}


@pytest.mark.parametrize("name", ["", "  ", "x" * 81, "a\x00b", "Ana\u202egnp", "ana@x.example"])
def test_a_display_name_that_could_mislead_is_refused(confirm, create, name):
    with pytest.raises(problems.WrongDisplayName):
        create(confirm(), display_name=name)


def test_a_weak_password_is_refused_before_anything_is_claimed(wired, confirm, create):
    with pytest.raises(problems.WeakPassword):
        create(confirm(), password="Camille-Durand-2027")
    with wired.database.reading() as session:
        assert accounts.of_address(session, ADDRESS) is None


@pytest.mark.parametrize("failure", [Away("ConnectTimeout"), Refused("403 M_FORBIDDEN")])
@pytest.mark.parametrize("place", ["look", "create", "after register", "after complete"])
def test_a_homeserver_that_fails_anywhere_costs_no_new_proof(
    wired, confirm, create, homeserver, failure, place
):
    request = confirm()
    homeserver.failures[place] = failure
    with pytest.raises(problems.ServerAway):
        create(request)
    with wired.database.reading() as session:
        assert outbox.of_subject(session, request.id).errand == Errand.SERVER_PROBE
    made = create(request, password="another lamp beside the violet")
    assert made.user_id == USER_ID
    assert homeserver.passwords == {USER_ID: "another lamp beside the violet"}
    assert templates(wired) == ["verify", "welcome"]


def test_an_account_that_was_there_before_keeps_its_password(confirm, create, homeserver):
    homeserver.names[USER_ID] = "Somebody else"
    homeserver.passwords[USER_ID] = "theirs"
    with pytest.raises(problems.NameRefused):
        create(confirm())
    assert homeserver.passwords == {USER_ID: "theirs"}
    assert homeserver.addresses == {}


def test_an_account_that_holds_the_address_already_is_not_touched(
    wired, confirm, create, homeserver
):
    homeserver.names[USER_ID] = "Camille Durand [Rouen]"
    homeserver.addresses[ADDRESS] = USER_ID
    homeserver.passwords[USER_ID] = "theirs"
    with pytest.raises(problems.AddressTaken):
        create(confirm())
    assert homeserver.passwords == {USER_ID: "theirs"}
    with wired.database.reading() as session:
        assert accounts.of_address(session, ADDRESS) is None


def test_a_double_click_makes_one_account_and_one_welcome(wired, confirm, create, homeserver):
    request, made, refused = confirm(), [], []

    def click():
        try:
            made.append(create(request).user_id)
        except problems.Problem as problem:
            refused.append(type(problem))

    threads = [threading.Thread(target=click) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(made) == {USER_ID}
    assert set(refused) <= {problems.AddressTaken, problems.NoSuchRequest}
    assert len(homeserver.names) == 1
    assert templates(wired) == ["verify", "welcome"]


def test_a_second_browser_of_the_same_person_is_told_that_the_account_exists(confirm, create):
    first, second = confirm("Ana"), confirm("Ana's phone")
    create(first)
    with pytest.raises((problems.AddressTaken, problems.NoSuchRequest)):
        create(second)
