"""Few calls at once to a homeserver, and none to one that is silent: who is too many is refused, and waits for nothing."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from threading import Semaphore

import pytest
from sqlalchemy import text

from identity.core.http_client import Away
from identity.homeservers import breakers
from identity.homeservers.admin_client import Refused
from identity.homeservers.breakers import MAX_FAILURES, OPEN_FOR, Interface
from identity.homeservers.calls import (
    AT_ONCE,
    AT_ONCE_IN_ALL,
    Busy,
    Endpoint,
    HomeserverCalls,
    NotAdmitted,
)
from identity.homeservers.federation_client import Federation, FederationEndpoint
from identity.problems import HomeserverBusy, HomeserverSilent, NotAllowed
from tests.services.peer import Peer
from tests.services.waiting import wait_for

NAME, OTHER = "education.example", "guests.example"
US = ("guichet.example",)
LONG = 60.0  # seconds
QUESTION = {"method": "POST", "uri": "/x", "content": {}}


@pytest.fixture
def calls(database, clock) -> HomeserverCalls:
    return HomeserverCalls(database, clock)


def call(calls, interface=Interface.FEDERATION, *, why=None):
    """One call, which ends as told."""
    with calls.admitted(NAME, interface):
        if why is not None:
            raise why


def is_refused(calls, interface) -> bool:
    try:
        call(calls, interface)
    except NotAdmitted:
        return True
    return False


def fail(calls, interface=Interface.FEDERATION, *, times=MAX_FAILURES):
    for _ in range(times):
        with pytest.raises(Away):
            call(calls, interface, why=Away("ReadTimeout", sent=True))


@contextmanager
def under_way(calls, *names: str):
    """A call to each of these, in threads of their own."""
    began, ends = Semaphore(0), threading.Event()

    def hold(name: str) -> None:
        with calls.admitted(name, Interface.FEDERATION):
            began.release()
            ends.wait(LONG)

    with ThreadPoolExecutor(len(names)) as pool:
        held = [pool.submit(hold, name) for name in names]
        for _ in names:
            assert began.acquire(timeout=LONG)
        try:
            yield
        finally:
            ends.set()
        for each in held:
            each.result(LONG)


def test_a_homeserver_gets_two_calls_at_once_and_no_third_one_waits(calls):
    with under_way(calls, *[NAME] * AT_ONCE):
        for interface in Interface:
            with pytest.raises(Busy):
                call(calls, interface)
        with calls.admitted(OTHER, Interface.FEDERATION):
            pass
    call(calls)


def test_all_homeservers_together_get_few_at_once(calls):
    others = [f"h{number}.example" for number in range(AT_ONCE_IN_ALL)]
    with under_way(calls, *others), pytest.raises(Busy):
        call(calls)
    call(calls)


def test_after_five_silences_none_is_made_until_one_has_tried(calls, clock):
    fail(calls)
    with pytest.raises(NotAdmitted) as refused:
        call(calls)
    assert refused.value.retry_after == OPEN_FOR.total_seconds()
    assert not refused.value.sent
    clock.time += OPEN_FOR
    with calls.admitted(NAME, Interface.FEDERATION), pytest.raises(NotAdmitted):
        call(calls)  # while the one that tries is under way
    call(calls)


def test_one_that_tries_in_vain_opens_it_again(calls, clock):
    fail(calls)
    clock.time += OPEN_FOR
    fail(calls, times=1)
    with pytest.raises(NotAdmitted):
        call(calls)


def test_what_one_process_found_out_all_know(calls, database, clock):
    fail(calls)
    with pytest.raises(NotAdmitted):
        call(HomeserverCalls(database, clock))


@pytest.mark.parametrize(
    "answer", [None, Refused("403"), Away("JSONDecodeError", sent=True, status=404)]
)
def test_whatever_it_answers_it_is_not_silent(calls, answer):
    fail(calls, times=MAX_FAILURES - 1)
    with suppress(Refused, Away):
        call(calls, why=answer)
    fail(calls, times=MAX_FAILURES - 1)
    assert not is_refused(calls, Interface.FEDERATION)


def test_an_interface_that_is_silent_leaves_the_others_alone(calls):
    """A homeserver that waits for the homeserver of a room still vouches for its people."""
    for silent in Interface:
        fail(calls, silent)
        for later in list(Interface)[list(Interface).index(silent) + 1 :]:
            assert not is_refused(calls, later)
        assert is_refused(calls, silent)


def test_accounts_keep_the_breaker_that_versions_before_know(calls, database, clock):
    fail(calls, Interface.ACCOUNTS)
    with database.reading() as session:
        assert breakers.open_until(session, clock(), NAME) == clock() + OPEN_FOR


def test_an_answer_counts_though_the_database_is_away(calls, database):
    fail(calls, times=1)
    answers = []
    with calls.admitted(NAME, Interface.FEDERATION), database.transaction() as session:
        session.execute(text("drop table homeserver_breakers"))
        answers.append("an answer")
    assert answers  # and nothing was raised when it was to be recorded


def test_the_same_question_is_put_once_and_who_waits_for_the_answer_needs_a_place(calls):
    asked, go, is_met = [], threading.Event(), threading.Event()

    class Question(str):
        """Compared with the same one that is being asked by who is to get its answer, too."""

        __slots__ = ()
        __hash__ = str.__hash__

        def __eq__(self, other) -> bool:
            is_met.set()
            return str.__eq__(self, other)

    def ask() -> str:
        asked.append(1)
        go.wait(LONG)  # others take the other places before the call is made
        with calls.admitted(NAME, Interface.FEDERATION):
            return "the answer"

    def put() -> str:
        return calls.ask_once(NAME, Question("a question"), ask, seconds=LONG)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(put)
        wait_for(lambda: asked, what="the call")
        second = pool.submit(put)
        # Who looks for a place before would take it from the second one.
        assert is_met.wait(LONG)
        with pytest.raises(Busy):
            put()
        go.set()
        assert (first.result(LONG), second.result(LONG)) == ("the answer", "the answer")
    assert len(asked) == 1
    assert calls.ask_once(NAME, "a question", lambda: "another", seconds=LONG) == "another"


def test_who_shares_a_question_shares_its_failure(calls):
    def fails() -> None:
        raise HomeserverSilent

    for _ in range(2):
        with pytest.raises(HomeserverSilent):
            calls.ask_once(NAME, "a question", fails, seconds=LONG)


@pytest.mark.parametrize(("status", "is_silent"), [(404, False), (502, True), (200, False)])
def test_a_page_of_a_proxy_that_reaches_nobody_is_silence(calls, clock, status, is_silent):
    peer = Peer(NAME)
    peer.raw = (status, b"<html>")
    endpoint = Endpoint(NAME, Interface.FEDERATION, peer.url)
    for _ in range(MAX_FAILURES):
        with calls.talk(endpoint, seconds=LONG) as talk, pytest.raises(Away):
            talk.call("GET", "/")
    if is_silent:
        with pytest.raises(NotAdmitted), calls.talk(endpoint, seconds=LONG):
            pass
    else:
        call(calls)
    peer.close()


def test_40_callers_who_name_a_silent_homeserver_make_one_call(calls, silent_peer, clock):
    """The keys are asked for once; who comes when two wait is refused at once."""
    federation = Federation({NAME: FederationEndpoint(NAME, silent_peer.url)}.get, clock, calls)
    header = f'X-Matrix origin="{NAME}",key="ed25519:a",sig="x",destination="{US[0]}"'

    def name_it(_number: int) -> type[Exception]:
        try:
            federation.verify_x_matrix(header, our_names=US, **QUESTION)
        except (HomeserverSilent, NotAllowed) as refused:
            return type(refused)
        raise AssertionError("nobody signed this")

    with ThreadPoolExecutor(40) as pool:
        pending = [pool.submit(name_it, number) for number in range(40)]
        wait_for(lambda: sum(each.done() for each in pending) == 38, what="all but two are refused")
        wait_for(lambda: silent_peer.connections == 1, what="the call")
        assert {each.result() for each in pending if each.done()} == {HomeserverBusy}
        silent_peer.hangs_up.set()
        ends = [each.result(LONG) for each in pending]
    assert ends.count(HomeserverSilent) == 2
    assert silent_peer.connections == 1


@pytest.fixture
def peer(clock):
    made = Peer(NAME)
    made.publish_until(clock() + timedelta(days=2))
    yield made
    made.close()


def signed(peer, **facts) -> str:
    return peer.authorization(US[0], **(QUESTION | facts))


def test_who_names_an_unknown_key_takes_no_key_away_that_is_known(calls, peer, clock):
    places = {NAME: FederationEndpoint(NAME, peer.url)}
    federation = Federation(places.get, clock, calls)
    assert federation.verify_x_matrix(signed(peer), our_names=US, **QUESTION) == NAME
    places[NAME] = FederationEndpoint(NAME, "http://127.0.0.1:1")
    clock.advance(minutes=2)
    unknown = signed(peer).replace("ed25519:first", "ed25519:never")
    with pytest.raises(HomeserverSilent):
        federation.verify_x_matrix(unknown, our_names=US, **QUESTION)
    assert federation.verify_x_matrix(signed(peer), our_names=US, **QUESTION) == NAME


def test_who_is_too_many_teaches_nothing_about_the_keys(calls, peer, clock):
    federation = Federation({NAME: FederationEndpoint(NAME, peer.url)}.get, clock, calls)
    with under_way(calls, *[NAME] * AT_ONCE), pytest.raises(HomeserverBusy):
        federation.verify_x_matrix(signed(peer), our_names=US, **QUESTION)
    assert federation.verify_x_matrix(signed(peer), our_names=US, **QUESTION) == NAME


def test_before_keys_are_fetched_the_caller_can_be_refused(calls, peer, clock):
    federation = Federation({NAME: FederationEndpoint(NAME, peer.url)}.get, clock, calls)

    def too_many() -> None:
        raise PermissionError

    with pytest.raises(PermissionError):
        federation.verify_x_matrix(signed(peer), our_names=US, before_asking=too_many, **QUESTION)
    assert peer.asked == []
